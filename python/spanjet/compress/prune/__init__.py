"""Prune attention heads and feed-forward units, and refit the remaining weights."""
