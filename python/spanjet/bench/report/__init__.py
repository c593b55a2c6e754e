"""Report a benchmark's result: numbers with their digits, and an HTML page with plots."""
