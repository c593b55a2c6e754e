"""Answer the questions of concurrent callers in shared batches (dynamic batching)."""
