"""Define the settings of a reader with two models."""

from dataclasses import dataclass

from spanjet.validation import check_integer

__all__ = ["CascadeConfig"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CascadeConfig:
    """Settings of a reader whose first model chooses what its model reads (see `Reader`).

    Attributes:
        reread: maximum number of windows of a question that the reader's model reads, from all of its text or
            all of its passages. Questions with no more windows are not read by the first model.

    Raises:
        TypeError: a field has the wrong type.
        ValueError: a field is out of range.
    """

    reread: int = 5

    def __post_init__(self) -> None:
        check_integer(self, "reread", minimum=1)
