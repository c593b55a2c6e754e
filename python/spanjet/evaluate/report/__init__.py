"""Draw an evaluation: an HTML page with risk-coverage and reliability diagrams."""
