"""Make a checkpoint faster on this CPU: quantize, prune, distil."""
