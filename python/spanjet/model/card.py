"""Read and update the card of a model directory, ``card.json``."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from spanjet.config import Calibration
from spanjet.model.config_json import read_json
from spanjet.model.exported import find_exported
from spanjet.storage import check_writable, replace_file

__all__ = ["CARD", "check_has_card", "read_calibration", "read_cascade_calibration", "update_card"]

CARD = "card.json"


def read_calibration(file: Path, card: dict[str, Any] | None) -> Calibration | None:
    """Read the calibration from a card; None if it has none.

    Args:
        file: path of the card, for error messages.
        card: content of the card; None: no card.

    Raises:
        ValueError: the card's calibration is malformed.
    """
    kept = (card or {}).get("calibration")
    return None if kept is None else _calibration(f'{file}: "calibration"', kept)


def read_cascade_calibration(
    file: Path, card: dict[str, Any] | None, *, first: str, reread: int
) -> Calibration | None:
    """Read the calibration of a model that rereads what another one has chosen; None if there is none.

    Args:
        file: path of the card of the model that rereads, for error messages.
        card: content of the card; None: no card.
        first: SHA-256 of the other model, see `Model.digest`.
        reread: number of windows that are reread.

    Raises:
        ValueError: the card's calibrations are malformed.
    """
    kept = (card or {}).get("cascades", [])
    if not isinstance(kept, list):
        raise ValueError(f'{file}: "cascades" is {json.dumps(kept):.80}; expected an array of objects')
    for index, entry in enumerate(kept):
        place = f'{file}: "cascades"[{index}]'
        if not isinstance(entry, dict):
            raise ValueError(f"{place} is {json.dumps(entry):.80}; expected an object")
        if (entry.get("first_sha256"), entry.get("reread")) == (first, reread):
            return _calibration(place, entry)
    return None


def _calibration(place: str, kept: Any) -> Calibration:
    """Read the calibration from an object of a card, of which `place` tells the error."""
    if not isinstance(kept, dict):
        raise ValueError(f"{place} is {json.dumps(kept):.80}; expected an object")
    try:
        names = [field.name for field in fields(Calibration)]
        return Calibration(**{name: kept[name] for name in names if name in kept})
    except (TypeError, ValueError) as error:
        reason = str(error).removeprefix(f"{Calibration.__name__}.")  # a class, which the file does not name
        raise ValueError(f"{place}: {reason}") from None


def check_has_card(path: Path) -> None:
    """Check that a directory may have a card, which can be written, before the work for it is done.

    Raises:
        ValueError: it is no model directory, but a checkpoint.
        OSError: as `check_writable`.
    """
    if find_exported(path) is None:
        raise ValueError(
            f"{path}: a checkpoint has no card; make a model directory of it with spanjet quantize"
        )
    check_writable(path / CARD)


def update_card(path: Path, **values: Any) -> None:
    """Set values in the card of a model directory, or create the card, atomically.

    Args:
        path: the model directory.
        values: JSON-serialisable values to set in ``card.json``.

    Raises:
        ValueError: see `check_has_card`.
        OSError: the card cannot be written.
    """
    check_has_card(path)
    file = path / CARD
    card = {**(read_json(file) if file.is_file() else {}), **values}
    replace_file(file, f"{json.dumps(card, indent=2, ensure_ascii=False)}\n".encode())
