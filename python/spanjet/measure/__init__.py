"""Measure time, memory and progress side by side, and draw what was measured."""
