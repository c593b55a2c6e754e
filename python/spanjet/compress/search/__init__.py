"""Search the sizes of all blocks for the best accuracy within a latency budget."""
