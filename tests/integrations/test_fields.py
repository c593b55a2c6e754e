"""Fields of the integrations that are pydantic models."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError
from spanjet import Reader
from spanjet.integrations._fields import ReaderField, ThresholdField
from spanjet.integrations._lazy_reader import LazyReader


class Example(BaseModel):
    model: ReaderField = None  # type: ignore[assignment]
    threshold: ThresholdField = "reader"

    model_config = ConfigDict(validate_default=True)


@pytest.mark.parametrize("model", [None, "directory", "owner/name"])
@pytest.mark.parametrize("threshold", [None, 0.5, 1, "model", "reader"])
def test_settings_survive_serialisation(model: Any, threshold: Any) -> None:
    example = Example(model=model, threshold=threshold)
    assert example.model == LazyReader(model)
    assert example.model_dump() == {"model": model, "threshold": threshold}
    assert Example.model_validate_json(example.model_dump_json()) == example


def test_a_path_is_written_as_text() -> None:
    assert Example(model=Path("a/b")).model_dump() == {"model": "a/b", "threshold": "reader"}  # type: ignore[arg-type]


def test_copies_share_the_reader(reader: Reader) -> None:
    example = Example(model=reader)  # type: ignore[arg-type]
    assert example.model_copy(deep=True).model is example.model
    assert Example(**example.__dict__).model is example.model
    assert Example(**example.model_dump()).model.reader is reader


def test_json_cannot_hold_a_reader(reader: Reader) -> None:
    with pytest.raises(ValueError, match="model is a Reader, which JSON cannot hold; expected a path"):
        Example(model=reader).model_dump_json()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": 7}, "model: expected a path, an id, a Reader or None, found int"),
        ({"threshold": 2}, "threshold is 2; expected 'model', 'reader', a probability, 0 to 1, or None"),
        ({"threshold": True}, "threshold is True; expected"),
        ({"threshold": "0.5"}, "threshold is '0.5'; expected"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Example(**settings)


def test_the_schema_is_that_of_the_json() -> None:
    properties = Example.model_json_schema()["properties"]
    assert properties["model"]["anyOf"] == [{"type": "string"}, {"type": "null"}]
