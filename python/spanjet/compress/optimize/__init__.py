"""Prune and quantize a checkpoint for the latency of this CPU, under an accuracy floor."""
