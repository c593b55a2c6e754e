"""Pickles are interpreted, and whatever is not a state dict is refused: nothing is imported or called."""

import os
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile_pickles import CORPUS, COUNT, GOOD, NAMES, STORAGE, SYSTEM, TEXT
from spanjet.model.weights.find import open_weights
from torch_files import TORCH, Call, pickled, storage, tensor, write_archive

DATA = np.arange(COUNT, dtype=np.float32)


def forbidden(*_: Any, **__: Any) -> Any:
    raise AssertionError("something of a pickle was called")


@pytest.fixture(autouse=True)
def watched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Nothing unpickles, runs or is imported meanwhile."""
    write(tmp_path / TORCH, pickled(GOOD))
    open_weights(tmp_path / TORCH)
    for name in ("load", "loads", "Unpickler", "_Unpickler", "_load", "_loads"):
        monkeypatch.setattr(pickle, name, forbidden)
    monkeypatch.setattr(os, "system", forbidden)
    modules = set(sys.modules)
    yield
    assert set(sys.modules) == modules
    assert not Path(TEXT.split("'")[1]).exists()


def write(path: Path, content: bytes) -> None:
    write_archive(path, content, {"0": DATA.tobytes()})


def test_what_is_good_is_read(tmp_path: Path) -> None:
    write(tmp_path / TORCH, pickled(GOOD))
    (file,) = open_weights(tmp_path / TORCH)
    assert file.read("x", (2, 3)).tolist() == DATA.reshape(2, 3).tolist()


def test_the_corpus_can_do_harm(tmp_path: Path) -> None:
    """Python's own unpickler, in a process of its own, runs what such a pickle says."""
    (tmp_path / "p").write_bytes(pickled(Call(SYSTEM, (f"touch {tmp_path / 'harm'}",))))
    code = "import pickle, sys; pickle.load(open(sys.argv[1], 'rb'))"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "p")], check=True)
    assert (tmp_path / "harm").exists()


def is_refused(path: Path, content: bytes) -> bool:
    """Tell whether a pickle is refused at once, in a short and printable message that names the file."""
    write(path, content)
    begin = time.perf_counter()
    try:
        open_weights(path)
    except ValueError as error:
        message = str(error)
        return message.startswith(f"{path}: ") and len(message) < 500 and message.isprintable()
    finally:
        assert time.perf_counter() - begin < 30
    return False


@pytest.mark.parametrize("group", CORPUS)
def test_hostile_pickles_are_refused(tmp_path: Path, group: str) -> None:
    assert len(CORPUS[group]) > 25
    assert [name for name, content in CORPUS[group] if not is_refused(tmp_path / TORCH, content)] == []


def test_a_tensor_that_repeats_few_values(tmp_path: Path) -> None:
    """Strides of 0 make any number of values of few, which are not made in memory."""
    shape = (2**40, COUNT)
    write(tmp_path / TORCH, pickled({"x": tensor(STORAGE, shape, (0, 1))}))
    (file,) = open_weights(tmp_path / TORCH)
    with pytest.raises(ValueError, match=rf"{TORCH}: tensor 'x', .* would take more than 4 times the bytes"):
        file.read("x", shape)


def test_tensors_that_share_bytes(tmp_path: Path) -> None:
    """Each of them is small, and all together are not."""
    count = 4096
    shared = storage("HalfStorage", "0", count)
    names = [f"x{index}" for index in range(30)]
    content = pickled({name: tensor(shared, (count,), (1,)) for name in names})
    write_archive(tmp_path / TORCH, content, {"0": bytes(2 * count)})
    (file,) = open_weights(tmp_path / TORCH)
    for _ in range(10):
        file.read("x0", (count,))
    with pytest.raises(ValueError, match=r"tensor 'x\d', and those read before it, would take more than"):
        [file.read(name, (count,)) for name in names]


def test_names_are_in_the_message(tmp_path: Path) -> None:
    for name in NAMES:
        write(tmp_path / TORCH, pickled({"x": Call(name, (TEXT,))}))
        shown = ".".join(name)
        with pytest.raises(ValueError, match=rf"data\.pkl: byte \d+: it names '{shown}', which is not what"):
            open_weights(tmp_path / TORCH)
