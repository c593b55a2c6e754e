"""Normalise the names and types of question-answering models' inputs and outputs."""

from collections.abc import Iterable
from typing import Any

from spanjet.runtime.openvino import PrePostProcessor, ov

__all__ = ["INPUTS", "OUTPUTS", "adapt"]

REQUIRED_INPUTS = ("input_ids", "attention_mask")
INPUTS = (*REQUIRED_INPUTS, "token_type_ids")
OUTPUTS = ("start_logits", "end_logits")


def adapt(model: ov.Model) -> tuple[ov.Model, tuple[str, ...]]:
    """Convert a model to int32 inputs and float32 outputs; return it with the names of its inputs."""
    inputs = _named(model.inputs, INPUTS, REQUIRED_INPUTS, "inputs")
    for name, port in inputs.items():
        if any(dimension.is_static for dimension in port.get_partial_shape()):
            shape = port.get_partial_shape()
            raise ValueError(f"the model's {name} has the fixed shape {shape}; expected one that can vary")
    outputs = _named(model.outputs, OUTPUTS, OUTPUTS, "outputs")
    other_inputs = [name for name, port in inputs.items() if port.get_element_type().to_string() != "i32"]
    other_outputs = [name for name, port in outputs.items() if port.get_element_type().to_string() != "f32"]
    if other_inputs or other_outputs:
        processor = PrePostProcessor(model.clone())
        for name in other_inputs:
            processor.input(name).tensor().set_element_type(ov.Type.i32)
        for name in other_outputs:
            processor.output(name).tensor().set_element_type(ov.Type.f32)
        model = processor.build()
    return model, tuple(name for name in INPUTS if name in inputs)


def _named(
    ports: Iterable[Any], known: tuple[str, ...], required: tuple[str, ...], kind: str
) -> dict[str, Any]:
    """Find the model's ports by name; reject unknown ones."""
    named: dict[str, Any] = {}
    for port in ports:
        names = port.get_names()
        named[next((name for name in known if name in names), min(names, default="(no name)"))] = port
    if not set(required) <= set(named) <= set(known):
        raise ValueError(f"the model has the {kind} {sorted(named)}; expected {list(known)}")
    for name, port in named.items():
        shape = port.get_partial_shape()
        if shape.rank.is_static and len(shape) != 2:
            raise ValueError(f"the model's {name} has the shape {shape}; expected [rows, length]")
    return named
