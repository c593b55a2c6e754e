"""Optimise a checkpoint: a smaller one that this CPU runs faster, under an accuracy floor."""
