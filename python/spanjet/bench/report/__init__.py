"""A benchmark's result for people: numbers with their digits, and an HTML page with plots."""
