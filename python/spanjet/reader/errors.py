"""Give the errors of a reader other messages."""

__all__ = ["reworded"]


def reworded(error: Exception, message: str) -> TypeError | ValueError:
    """Make an error of the same kind with another message: a TypeError, or else a ValueError."""
    return TypeError(message) if isinstance(error, TypeError) else ValueError(message)
