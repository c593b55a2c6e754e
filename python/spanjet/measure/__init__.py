"""Measure time, memory and progress, and plot the results."""
