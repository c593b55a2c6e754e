"""Define the fields of the integrations that are pydantic models."""

from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, PlainValidator, SerializationInfo, WithJsonSchema

from spanjet.config import Threshold
from spanjet.integrations._answering import checked_threshold
from spanjet.integrations._lazy_reader import LazyReader
from spanjet.reader.reader import Reader

__all__ = ["ReaderField", "ThresholdField"]


def _lazy_reader(value: Any) -> LazyReader:
    if isinstance(value, LazyReader):
        return value
    try:
        return LazyReader(value)
    except TypeError as error:
        raise ValueError(str(error)) from None  # of which pydantic makes a ValidationError


def _model(value: LazyReader, info: SerializationInfo) -> Any:
    """Return what a reader was made from."""
    if isinstance(value.model, Reader) and info.mode == "json":
        raise ValueError("model is a Reader, which JSON cannot hold; expected a path, an id or None")
    return value.model


def _threshold(value: Any) -> Any:
    try:
        return checked_threshold(value)
    except TypeError as error:
        raise ValueError(str(error)) from None


ReaderField = Annotated[
    LazyReader,
    PlainValidator(_lazy_reader),
    PlainSerializer(_model),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "null"}]}),
]
"""Path of a model, hub id, None or a `Reader`; it is serialised as it was given."""

ThresholdField = Annotated[Threshold, BeforeValidator(_threshold)]
"""Threshold, checked when the object is made."""
