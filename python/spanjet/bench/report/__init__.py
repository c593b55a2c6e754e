"""A benchmark's result for people: a table on the terminal, and an HTML page with plots."""
