"""Structured pruning in steps, with training in between (`python -m recipes.prune`)."""
