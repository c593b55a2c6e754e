"""Predict and measure the latency of models whose layers have shapes of their own."""
