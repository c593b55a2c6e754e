"""Render the comparison table as text, Markdown, or an HTML page with a chart."""
