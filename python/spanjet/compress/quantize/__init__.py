"""Quantize a checkpoint to an INT8 model directory, under an accuracy floor."""
