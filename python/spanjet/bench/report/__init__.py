"""Report a benchmark's result as a table on the terminal, or as an HTML page with plots."""
