"""The store of documents: bounded in size and time, and shared by processes."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from spanjet import Document, Reader
from spanjet.serve.documents import DocumentStore


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


class Counting:
    """The reader's `prepare`, which counts."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.texts: list[str] = []

    def __call__(self, text: str) -> Document:
        self.texts.append(text)
        return self._reader.prepare(text)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def prepare(reader: Reader) -> Counting:
    return Counting(reader)


def store(directory: Path, prepare: Counting, clock: Clock, memory: int = 1000) -> DocumentStore:
    return DocumentStore(directory / "spool", prepare, memory=memory, seconds=60, clock=clock)


def test_what_is_added_is_found(tmp_path: Path, prepare: Counting, clock: Clock) -> None:
    kept = store(tmp_path, prepare, clock)
    added = kept.add("the tower 🗼 e\u0301\r\n")
    found = kept.get(added.id)
    assert found is not None
    assert found.document is added.document
    assert (found.id, found.expires_in) == (added.id, 60)
    assert prepare.texts == ["the tower 🗼 e\u0301\r\n"]
    assert kept.remove(added.id)
    assert kept.get(added.id) is None
    assert not kept.remove(added.id)
    assert len(kept) == 0


def test_another_process_makes_the_tokens_anew(tmp_path: Path, prepare: Counting, clock: Clock) -> None:
    text = "the tower 🗼 e\u0301\r\n by the river"
    added = store(tmp_path, prepare, clock).add(text)
    other = store(tmp_path, prepare, clock)
    for _ in range(2):
        found = other.get(added.id)
        assert found is not None
        assert found.document.text == text
        assert found.document.encoding.ids.tolist() == added.document.encoding.ids.tolist()
    assert prepare.texts == [text] * 2
    assert other.remove(added.id)
    assert store(tmp_path, prepare, clock).get(added.id) is None


def test_only_this_user_may_read_them(tmp_path: Path, prepare: Counting, clock: Clock) -> None:
    store(tmp_path, prepare, clock).add("the tower")
    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700
    (file,) = (tmp_path / "spool").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_ids_are_random_and_no_paths(tmp_path: Path, prepare: Counting, clock: Clock) -> None:
    kept = store(tmp_path, prepare, clock)
    (tmp_path / "secret.txt").write_text("secret")
    assert len({kept.add("x").id for _ in range(20)}) == 20
    for name in ("", "..", "../secret", "../../secret", "/etc/passwd", "x" * 22, "x" * 21 + "\n", "x" * 500):
        assert kept.get(name) is None
        assert not kept.remove(name)
    assert (tmp_path / "secret.txt").exists()


def test_they_expire_after_their_last_use(tmp_path: Path, prepare: Counting, clock: Clock) -> None:
    kept = store(tmp_path, prepare, clock)
    used, unused = kept.add("the tower").id, kept.add("the river").id
    for _ in range(3):
        clock.now += 40
        assert kept.get(used) is not None
    assert kept.get(unused) is None
    clock.now += 61
    kept.sweep()
    assert len(kept) == 0
    assert kept.get(used) is None


def test_the_ones_used_longest_ago_make_room(tmp_path: Path, prepare: Counting, clock: Clock) -> None:
    kept = store(tmp_path, prepare, clock, memory=100)
    names = []
    for letter in "abc":
        names.append(kept.add(letter * 30).id)
        clock.now += 1
    assert kept.get(names[0]) is not None
    clock.now += 1
    kept.add("d" * 30)
    assert [kept.get(name) is not None for name in names] == [True, False, True]
    total = sum(file.stat().st_size for file in (tmp_path / "spool").iterdir())
    assert total <= 100


def test_tokens_are_bounded_too(tmp_path: Path, prepare: Counting, clock: Clock) -> None:
    """A token takes more memory than its letters."""
    kept = store(tmp_path, prepare, clock, memory=2000)
    names = [kept.add("a b c d e f g h i j " * 3).id for _ in range(10)]
    assert all(kept.get(name) is not None for name in names)
    assert len(prepare.texts) > 10
    assert kept._held <= 2000
    for name in names:
        kept.remove(name)
    assert kept._held == 0


def test_a_text_that_is_too_large_for_the_store(tmp_path: Path, prepare: Counting, clock: Clock) -> None:
    kept = store(tmp_path, prepare, clock, memory=10)
    name = kept.add("x" * 10).id
    with pytest.raises(ValueError, match="text has 11 bytes; the documents may have 10 together"):
        kept.add("x" * 11)
    with pytest.raises(ValueError, match="lone surrogate"):
        kept.add("\ud800")
    assert kept.get(name) is not None


def test_threads_may_share_it(tmp_path: Path, reader: Reader) -> None:
    kept = DocumentStore(tmp_path / "spool", reader.prepare, memory=2000, seconds=60)

    def use(seed: int) -> bool:
        text = f"the tower {seed} " * 5
        name = kept.add(text).id
        found = kept.get(name)
        kept.remove(name)
        return found is None or found.document.text == text

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(use, range(200)))
    assert (len(kept), kept._held) == (0, 0)


def test_a_file_that_another_process_removes_meanwhile(
    tmp_path: Path, prepare: Counting, clock: Clock
) -> None:
    kept = store(tmp_path, prepare, clock)
    name = kept.add("the tower").id
    os.unlink(tmp_path / "spool" / f"{name}.txt")  # noqa: PTH108  (not by the store)
    assert kept.get(name) is None
    assert kept._held == 0
