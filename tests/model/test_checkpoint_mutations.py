"""Damage at random: a checkpoint is read or refused, and nothing else ever happens."""

import json
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import checkpoints
import pytest
from checkpoints import ARCHITECTURES, INDEX, WEIGHTS
from spanjet.model import Model, load_model
from spanjet.runtime.openvino import ov

# More by hand: SPANJET_MUTATIONS=20000 pytest --timeout 0 tests/test_checkpoint_mutations.py
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
    results = list(damaged(checkpoint, file, f"{name}/{file}"))
    assert sum(result is None for result in results) > COUNT // 4


@pytest.mark.parametrize("file", [INDEX, "model-00001-of-00002.safetensors"])
def test_damaged_parts(tmp_path: Path, file: str) -> None:
    checkpoint = checkpoints.copy("electra", tmp_path / "electra")
    checkpoints.split(checkpoint, 2)
    results = list(damaged(checkpoint, file, file))
    assert sum(result is None for result in results) > COUNT // 4


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
    results = list(damaged(checkpoint, file, file))
    assert sum(result is None for result in results) > COUNT // 4


def test_empty_files(tmp_path: Path) -> None:
    original = checkpoints.copy("electra", tmp_path / "original")
    for name in (WEIGHTS, "config.json"):
        checkpoint = Path(shutil.copytree(original, tmp_path / name))
        (checkpoint / name).write_bytes(b"")
        assert load(checkpoint) is None
