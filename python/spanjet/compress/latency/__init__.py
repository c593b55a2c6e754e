"""Predict and measure the latency of pruned models from a latency table."""
