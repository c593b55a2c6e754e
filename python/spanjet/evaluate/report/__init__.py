"""Report an evaluation as an HTML page with risk-coverage and reliability diagrams."""
