"""Report the result of an optimisation as an HTML page with plots, or as one PNG."""
