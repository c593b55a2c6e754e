"""Readers that load their model when they are first used."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from spanjet import Reader
from spanjet.integrations._lazy_reader import LazyReader

TEXT = "The bridge was built by Clara Hansen in 1903."


def test_nothing_is_read_before_the_first_use(tmp_path: Path) -> None:
    lazy = LazyReader(tmp_path / "absent")
    assert lazy.model == str(tmp_path / "absent")
    with pytest.raises(OSError, match="absent"):
        lazy.reader  # noqa: B018  (which raises)


def test_threads_load_one_model() -> None:
    lazy = LazyReader(None)
    with ThreadPoolExecutor(8) as pool:
        readers = list(pool.map(lambda _: lazy.reader, range(8)))
    assert {id(reader) for reader in readers} == {id(lazy.reader)}


def test_a_reader_is_used_as_it_is(reader: Reader) -> None:
    assert LazyReader(reader).reader is reader


def test_a_copy_is_the_object_itself(reader: Reader) -> None:
    lazy = LazyReader(reader)
    assert copy.copy(lazy) is lazy
    assert copy.deepcopy(lazy) is lazy


def test_pickling_keeps_the_source_only() -> None:
    lazy = LazyReader(None)
    answer = lazy.reader.ask("Who built it?", TEXT)
    stored = pickle.dumps(lazy)
    assert len(stored) < 1000
    loaded = pickle.loads(stored)  # noqa: S301  (ours)
    assert loaded == lazy
    assert hash(loaded) == hash(lazy)
    assert loaded.reader is not lazy.reader
    assert loaded.reader.ask("Who built it?", TEXT) == answer


def test_other_models_are_other_readers(reader: Reader) -> None:
    assert LazyReader("a") != LazyReader("b")
    assert LazyReader(reader) != LazyReader(None)
    assert LazyReader("a") != "a"


@pytest.mark.parametrize("model", [7, b"path", ["path"]])
def test_other_types_are_refused(model: object) -> None:
    with pytest.raises(TypeError, match=r"model: expected a path, an id, a Reader or None, found"):
        LazyReader(model)  # type: ignore[arg-type]
