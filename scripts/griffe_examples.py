"""Let griffe read the section "Example:" of docstrings as it reads "Examples:"."""

import re
from typing import Any

import griffe

__all__ = ["Examples"]


class Examples(griffe.Extension):  # type: ignore[misc]
    """Rename the section, so that its code is set as code."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rename the section in the docstring of each object when it is loaded."""
        if obj.docstring is not None:
            obj.docstring.value = re.sub(r"(?m)^( *)Example:$", r"\1Examples:", obj.docstring.value)
