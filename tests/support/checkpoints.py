"""Small checkpoints with transformers' logits, and what is done to them."""

import json
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from spanjet.runtime.openvino import ov, shared_core

GOLDEN = Path(__file__).parents[1] / "golden"
TINY = GOLDEN / "tiny-bert"
ARCHITECTURES = GOLDEN / "architectures"
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
OUTPUTS = ("start_logits", "end_logits")
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"

Tensors = dict[str, NDArray[Any]]
Batch = dict[str, NDArray[np.int32]]
Logits = dict[str, NDArray[np.float32]]


def copy(name: str, target: Path) -> Path:
    """A copy of an architecture's checkpoint, with a vocabulary of its size."""
    shutil.copytree(ARCHITECTURES / name, target)
    shutil.copyfile(TINY / "vocab.txt", target / "vocab.txt")
    return target


def golden(file: Path, prefix: str = "") -> Iterator[tuple[Batch, Logits]]:
    """The batches of an ``.npz`` file and their logits."""
    with np.load(file) as arrays:
        count = len({key.rpartition("/")[0] for key in arrays if key.startswith(prefix)})
        assert count == 4
        for index in range(count):
            batch = f"{prefix}{index}"
            inputs = {
                name: arrays[f"{batch}/{name}"].astype(np.int32)
                for name in INPUTS
                if f"{batch}/{name}" in arrays
            }
            yield inputs, {name: arrays[f"{batch}/{name}"] for name in OUTPUTS}


def run(model: ov.Model, inputs: Batch) -> Logits:
    compiled = shared_core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    logits = compiled(inputs)
    return {name: logits[name] for name in OUTPUTS}


def largest_difference(model: ov.Model, file: Path, prefix: str = "") -> float:
    """Of a token's logits from the recorded ones."""
    compiled = shared_core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    largest = 0.0
    for inputs, expected in golden(file, prefix):
        logits, tokens = compiled(inputs), inputs["attention_mask"] == 1
        for name in OUTPUTS:
            assert logits[name].shape == inputs["input_ids"].shape
            assert logits[name].dtype == np.float32
            largest = max(largest, float(np.abs(logits[name] - expected[name])[tokens].max()))
    return largest


def edit_config(checkpoint: Path, **values: Any) -> None:
    path = checkpoint / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def edit_tensors(checkpoint: Path, edit: Callable[[Tensors], Tensors | None]) -> None:
    path = checkpoint / WEIGHTS
    tensors = load_file(path)
    edited = edit(tensors)
    save_file(tensors if edited is None else edited, path)


def split(checkpoint: Path, count: int = 3) -> Path:
    """Turn the weights into several files and an index, which is returned."""
    tensors = load_file(checkpoint / WEIGHTS)
    names = sorted(tensors)
    places: dict[str, str] = {}
    for part in range(count):
        file = f"model-{part + 1:05}-of-{count:05}.safetensors"
        places |= dict.fromkeys(names[part::count], file)
        save_file({name: tensors[name] for name in names[part::count]}, checkpoint / file)
    (checkpoint / WEIGHTS).unlink()
    size = sum(tensor.nbytes for tensor in tensors.values())
    index = checkpoint / INDEX
    index.write_text(json.dumps({"metadata": {"total_size": size}, "weight_map": places}))
    return index


def retype(checkpoint: Path, dtype: str) -> None:
    """Write the weights as ``F16`` or ``BF16``, by hand."""
    tensors = load_file(checkpoint / WEIGHTS)
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, tensor in tensors.items():
        content = (
            tensor.astype("<f2") if dtype == "F16" else (tensor.view("<u4") >> 16).astype("<u2")
        ).tobytes()
        place = [len(data), len(data) + len(content)]
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": place}
        data += content
    write_safetensors(checkpoint / WEIGHTS, header, data)


def write_safetensors(path: Path, header: Any, data: bytes, *, header_size: int | None = None) -> None:
    """A safetensors file of any content, right or wrong."""
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    size = len(content) if header_size is None else header_size
    path.write_bytes(size.to_bytes(8, "little") + content + data)


def zeros(path: Path, shapes: dict[str, tuple[int, ...]], dtype: str = "F32") -> int:
    """Write float tensors of zeros as a file with a hole, which takes no room; the tensors' bytes."""
    width = {"F32": 4, "F16": 2, "BF16": 2}[dtype]
    header, end = {}, 0
    for name, shape in shapes.items():
        start, end = end, end + width * math.prod(shape)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    write_safetensors(path, text.ljust(-(-len(text) // 8) * 8), b"")
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size + end)
    return end
