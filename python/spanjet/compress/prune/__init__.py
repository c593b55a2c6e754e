"""Remove attention heads and feed-forward units, and refit what is left."""
