"""Drive a reader with MLCommons' LoadGen."""
