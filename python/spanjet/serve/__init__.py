"""Serve a reader over HTTP; needs the extra "serve"."""
