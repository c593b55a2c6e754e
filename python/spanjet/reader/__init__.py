"""Read answers out of text: tokenize, window, batch, infer, decode."""
