"""Read question-answering models exported by other tools as OpenVINO IR or ONNX."""

import re
from pathlib import Path
from typing import Any

from spanjet.model.content import check_content
from spanjet.runtime.openvino import ov, shared_core
from spanjet.runtime.ports import INPUTS, OUTPUTS, adapt

__all__ = ["GRAPH", "ONNX", "find_exported", "read_exported"]

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
    """Read an exported model, and give its ports spanjet's names and types.

    Args:
        path: an ``.xml`` with its ``.bin`` beside it, which is mapped into memory, or an ``.onnx``.

    Returns:
        A model with the inputs ``input_ids``, ``attention_mask`` and optionally ``token_type_ids``, int32,
        and the outputs ``start_logits`` and ``end_logits``, float32.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: OpenVINO cannot read the file, or it has other inputs or outputs; the message names the
            file, what was expected and what was found.
    """
    check_content(path)
    kind = "ONNX" if path.suffix == ".onnx" else "OpenVINO"
    try:
        model = shared_core().read_model(path)
        _rename([*model.inputs, *model.outputs])
    except (RuntimeError, UnicodeDecodeError) as error:  # the latter from undecodable text
        raise ValueError(f"{path}: not an {kind} model: {_last_line(error)}") from error
    try:
        return adapt(model)[0]
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


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
