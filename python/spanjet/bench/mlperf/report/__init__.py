"""The table for people: text, Markdown, and an HTML page with a chart."""
