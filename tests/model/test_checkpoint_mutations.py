"""Damage at random: a checkpoint is read or refused, and nothing else ever happens."""

import json
import os
import pickletools
import random
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import checkpoints
import hostile_pickles
import pytest
import torch_files
from checkpoints import ARCHITECTURES, INDEX, WEIGHTS
from spanjet.model import Model, load_model
from spanjet.model.weights.pickle_program import interpret
from spanjet.model.weights.torch_file import read_torch
from spanjet.runtime.openvino import ov
from torch_files import TORCH, TORCH_INDEX

# More: make fuzz-checkpoints
COUNT = int(os.environ.get("SPANJET_MUTATIONS", "60"))
ALL = sorted(path.parent.name for path in ARCHITECTURES.glob("*/logits.npz"))
NAMES = ("electra", "roberta", "mobilebert", "deberta-v2", "mpnet")
ABSURD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1,
    3,
    2**24,
    10**9,
    10**30,
    0.5,
    -1e308,
    "x",
    "10",
    [],
    [1],
    {},
    {"a": 1},
)


def load(checkpoint: Path) -> Model | None:
    """The model, or None where it was refused with the name of a file in the directory."""
    try:
        return load_model(checkpoint)
    except (ValueError, OSError) as error:
        message = str(error)
    assert str(checkpoint) in message
    return None


def mutate(content: bytes, generator: random.Random) -> bytes:
    """Truncated, or with some bytes changed, inserted or repeated; the header is hit most."""
    kind = generator.randrange(5)
    if kind == 0:
        return content[: generator.randrange(len(content))]
    data = bytearray(content)
    reach = generator.choice((8, 64, 4096, len(data)))
    for _ in range(generator.choice((1, 1, 2, 8, 64))):
        if not data:
            break
        place = generator.randrange(min(reach, len(data)))
        if kind == 1:
            data[place] ^= 1 << generator.randrange(8)
        elif kind == 2:
            data[place] = generator.choice(b'\x00\xff"{}[],:0123456789-eE.')
        elif kind == 3:
            data[place:place] = generator.randbytes(generator.randrange(1, 9))
        else:
            end = place + generator.randrange(1, 200)
            data[place:end] = data[place:end] * generator.randrange(3)
    return bytes(data)


def damaged(checkpoint: Path, file: str, seed: str) -> Iterator[Model | None]:
    generator = random.Random(seed)
    path = checkpoint / file
    content = path.read_bytes()
    for _ in range(COUNT):
        path.write_bytes(mutate(content, generator))
        yield load(checkpoint)
    path.write_bytes(content)
    assert load(checkpoint) is not None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("file", [WEIGHTS, "config.json"])
def test_damaged_files(tmp_path: Path, name: str, file: str) -> None:
    checkpoint = checkpoints.copy(name, tmp_path / name)
    assert sum(model is None for model in damaged(checkpoint, file, f"{name}/{file}")) > COUNT // 4


@pytest.mark.parametrize("file", [INDEX, "model-00001-of-00002.safetensors"])
def test_damaged_parts(tmp_path: Path, file: str) -> None:
    checkpoint = checkpoints.copy("electra", tmp_path / "electra")
    checkpoints.split(checkpoint, 2)
    assert sum(model is None for model in damaged(checkpoint, file, file)) > COUNT // 4


@pytest.mark.parametrize("name", NAMES)
def test_damaged_torch_files(tmp_path: Path, name: str) -> None:
    checkpoint = checkpoints.copy(name, tmp_path / name)
    torch_files.to_torch(checkpoint)
    assert sum(model is None for model in damaged(checkpoint, TORCH, f"{name}/{TORCH}")) > COUNT // 4


@pytest.mark.parametrize("file", [TORCH_INDEX, "pytorch_model-00001-of-00002.bin"])
def test_damaged_torch_parts(tmp_path: Path, file: str) -> None:
    checkpoint = checkpoints.copy("electra", tmp_path / "electra")
    torch_files.split(checkpoint, 2)
    assert sum(model is None for model in damaged(checkpoint, file, file)) > COUNT // 4


def opcodes(content: bytes) -> list[int]:
    """Where the opcodes of a pickle begin."""
    return [place for _, _, place in pickletools.genops(content) if place is not None]


def mutate_pickle(content: bytes, places: list[int], others: list[bytes], generator: random.Random) -> bytes:
    """Damaged as by `mutate`, or with opcodes removed, repeated, exchanged, or taken from other pickles."""
    kind = generator.randrange(5)
    if kind == 0:
        return mutate(content, generator)
    begin, end = sorted(generator.sample(places, 2))
    if kind == 1:
        return content[:begin] + content[end:]
    if kind == 2:
        return content[:end] + content[begin:end] * generator.choice((1, 1, 2, 50)) + content[end:]
    if kind == 3:
        piece = generator.choice(others)
        return content[:begin] + piece[2:-1] + content[generator.choice((begin, end)) :]
    third = generator.choice(places)
    return content[:begin] + content[third : third + 40] + content[end:]


def test_damaged_pickles(tmp_path: Path) -> None:
    """Archives that are whole, around pickles that are not, some spliced with hostile ones."""
    path = tmp_path / TORCH
    storages = {"0": bytes(96), "1": bytes(48)}
    first, second = torch_files.storage("FloatStorage", "0", 24), torch_files.storage("HalfStorage", "1", 24)
    rows = torch_files.tensor(first, (4, 6), (6, 1))
    state = {
        "rows": rows,
        "columns": torch_files.tensor(first, (6, 4), (1, 6)),
        "part": torch_files.tensor(second, (3,), (2,), 5),
        "parameter": torch_files.Call(torch_files.REBUILD_PARAMETER, (rows, True, {})),
    }
    wrapped = {
        "epoch": 3,
        "losses": [0.5, None, True],
        "state_dict": torch_files.Built(state, {"a": {"b": 1}}),
    }
    pickle = torch_files.pickled(wrapped)
    torch_files.write_archive(path, pickle, storages)
    assert set(read_torch(path)) == set(state)
    others = [
        content for group in hostile_pickles.CORPUS.values() for _, content in group if len(content) < 999
    ]
    generator = random.Random("pickles")
    places, modules, refused = opcodes(pickle), set(sys.modules), 0
    for _ in range(40 * COUNT):
        content = mutate_pickle(pickle, places, others, generator)
        try:
            interpret(content)
        except ValueError:
            refused += 1
            continue
        torch_files.write_archive(path, content, storages)
        try:
            read_torch(path)
        except ValueError as error:
            assert str(error).startswith(f"{path}: ")  # noqa: PT017  (some are read)
            refused += 1
    assert 20 * COUNT < refused < 40 * COUNT
    assert set(sys.modules) == modules


@pytest.mark.parametrize("name", ALL if "SPANJET_MUTATIONS" in os.environ else [*NAMES, "distilbert"])
def test_absurd_values(tmp_path: Path, name: str) -> None:
    """Each value of each configuration, in turn: no error of another kind, no huge allocation."""
    checkpoint = checkpoints.copy(name, tmp_path / name)
    path = checkpoint / "config.json"
    values = json.loads(path.read_text())
    extra = ("position_embedding_type", "conv_kernel_size", "position_buckets", "attention_head_size")
    refused = 0
    for key in {*values, *extra}:
        for value in ABSURD:
            path.write_text(json.dumps({**values, key: value}))
            refused += load(checkpoint) is None
    assert refused > 100


@pytest.mark.parametrize("name", NAMES)
def test_absurd_headers(tmp_path: Path, name: str) -> None:
    """Each entry of the header of the weights, in turn."""
    checkpoint = checkpoints.copy(name, tmp_path / name)
    path = checkpoint / WEIGHTS
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    generator = random.Random(name)
    tensor = generator.choice([key for key in header if key != "__metadata__"])
    for key in ("dtype", "shape", "data_offsets"):
        for value in (*ABSURD, [0, 0], [1, 2**62], [2**62, 4], [-4, 4], ["0", "4"], [0.0, 4.0], "F64", "U8"):
            entry: dict[str, Any] = {**header[tensor], key: value}
            checkpoints.write_safetensors(path, {**header, tensor: entry}, content[8 + size :])
            assert load(checkpoint) is None


@pytest.mark.parametrize("file", ["model.onnx", "openvino_model.xml"])
def test_damaged_exports(tmp_path: Path, file: str) -> None:
    checkpoint = checkpoints.copy("electra-onnx", tmp_path / "electra")
    if file.endswith(".xml"):
        ov.save_model(load_model(checkpoint).model, checkpoint / file)
        (checkpoint / "model.onnx").unlink()
    assert sum(model is None for model in damaged(checkpoint, file, file)) > COUNT // 4


def test_empty_files(tmp_path: Path) -> None:
    original = checkpoints.copy("electra", tmp_path / "original")
    for name in (WEIGHTS, "config.json"):
        checkpoint = Path(shutil.copytree(original, tmp_path / name))
        (checkpoint / name).write_bytes(b"")
        assert load(checkpoint) is None
