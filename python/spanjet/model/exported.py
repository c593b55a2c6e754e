"""Read question-answering models exported by other tools as OpenVINO IR or ONNX."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from spanjet.model.content import check_content
from spanjet.runtime.openvino import ops, ov, shared_core
from spanjet.runtime.ports import INPUTS, OUTPUTS, adapt

__all__ = ["GRAPH", "ONNX", "adapt_exported", "find_exported", "read_exported"]

GRAPH, ONNX = "openvino_model.xml", "model.onnx"
# spanjet's names and their aliases, without the ":0" that TensorFlow adds.
_OTHER_NAMES = {
    "attention_mask": "input_mask",
    "token_type_ids": "segment_ids",
    "start_logits": "output_start_logits",
    "end_logits": "output_end_logits",
}


def find_exported(directory: Path) -> Path | None:
    """Find the exported model of a directory, IR or else ONNX: by its usual name, or the only one.

    Raises:
        ValueError: there are several models, none of which has the usual name.
    """
    for usual in (GRAPH, ONNX):
        if (directory / usual).exists():
            return directory / usual
        others = sorted(directory.glob(f"*{Path(usual).suffix}"))
        if len(others) > 1:
            names = ", ".join(file.name for file in others)
            raise ValueError(f"{directory}: several models ({names}), expected one, or {usual}")
        if others:
            return others[0]
    return None


def read_exported(path: Path) -> ov.Model:
    """Read an exported model, and give its ports spanjet's names; see `adapt_exported`.

    Args:
        path: an ``.xml`` with its ``.bin`` beside it, which is mapped into memory, or an ``.onnx``.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: OpenVINO cannot read the file, or the model has no ``input_ids``; the message names it.
    """
    check_content(path)
    kind = "ONNX" if path.suffix == ".onnx" else "OpenVINO"
    try:
        model = shared_core().read_model(path)
        _rename([*model.inputs, *model.outputs])
    except (RuntimeError, UnicodeDecodeError) as error:  # the latter from undecodable text
        raise ValueError(f"{path}: not an {kind} model: {_last_line(error)}") from error
    found = sorted(min(port.get_names(), default="(no name)") for port in model.inputs)
    if INPUTS[0] not in found:
        raise ValueError(f"{path}: the model has the inputs {found}; expected {list(INPUTS)}")
    return model


def adapt_exported(model: ov.Model, path: Path, *, first_position: int) -> ov.Model:
    """Bring the inputs and outputs of an exported model into spanjet's form.

    Two more inputs are computed in the graph: ``position_ids``, which count from ``first_position``, and
    ``task_type_ids``, which are 0. Other outputs than the logits, such as hidden states, are dropped.

    Args:
        model: what `read_exported` returned; modified.
        path: its file, for messages.
        first_position: position of the first token.

    Returns:
        A model with the inputs ``input_ids``, ``attention_mask`` and optionally ``token_type_ids``, int32,
        and the outputs ``start_logits`` and ``end_logits``, float32.

    Raises:
        ValueError: it has other inputs, or lacks an output; the message names the file, what was expected
            and what was found.
    """
    _feed_computed(model, first_position)
    logits = [port for port in model.outputs if port.get_names() & set(OUTPUTS)]
    if len(logits) == len(OUTPUTS):
        for port in model.outputs:
            if port not in logits:
                model.remove_result(port.get_node())
    try:
        return adapt(model)[0]
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _feed_computed(model: ov.Model, first_position: int) -> None:
    """Replace inputs that follow from ``input_ids`` by computations, in place."""
    ports = {name: port for port in model.inputs for name in port.get_names()}
    ids = ports.get(INPUTS[0])
    for name, first, step in (("position_ids", first_position, 1), ("task_type_ids", 0, 0)):
        if ids is None or name not in ports:
            continue
        parameter = ports[name].get_node()
        kind = parameter.get_element_type().to_string()
        sizes = ops.shape_of(ids, "i64")
        ones = ops.broadcast(np.array(step, np.int64), sizes)
        counted = ops.cumsum(ones, np.int64(1), exclusive=True)
        values = ops.convert(ops.add(counted, np.int64(first)), kind, name=name)
        for target in parameter.output(0).get_target_inputs():
            target.replace_source_output(values.output(0))
        model.remove_parameter(parameter)


def _rename(ports: list[Any]) -> None:
    """Rename ports from aliases to spanjet's names."""
    taken = {name for port in ports for name in port.get_names()}
    for port in ports:
        names = {name.removesuffix(":0") for name in port.get_names()}
        for known in (*INPUTS, *OUTPUTS):
            if known not in taken and names & {known, _OTHER_NAMES.get(known)}:
                port.get_tensor().set_names({known})
                taken.add(known)
                break


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in re.split(r"[\r\n]+", str(error)) if line.strip()]
    return lines[-1] if lines else type(error).__name__
