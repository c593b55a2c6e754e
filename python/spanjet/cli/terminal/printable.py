"""Make texts of unknown origin safe to print."""

__all__ = ["one_line", "printable"]

# Line breaks would tear a line apart, and escape sequences of an untrusted text would reach the terminal.
_SPACES = [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029]
# Embeddings, overrides and isolates would turn around what follows them, the rest of the line included.
_REMOVED = [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_TABLE: dict[int, str | None] = {**dict.fromkeys(_SPACES, " "), **dict.fromkeys(_REMOVED)}


def printable(text: str) -> str:
    """Replace controls and line breaks by spaces and remove what reorders a line."""
    return text.translate(_TABLE)


def one_line(text: str) -> str:
    """Make a text printable, with single spaces between its words."""
    return " ".join(printable(text).split())
