"""Run the server in one process or several, and its HTTP protocol."""
