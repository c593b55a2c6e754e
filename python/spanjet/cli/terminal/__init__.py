"""Print answers, tables, progress and errors on a terminal, or plain text into a pipe."""
