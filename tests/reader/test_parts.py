"""Readers and what they give in other processes: pickled, copied, spawned, forked."""

import copy
import pickle
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from checkpoints import TINY
from spanjet import (
    Calibration,
    DecodeConfig,
    Document,
    Failure,
    Reader,
    RuntimeConfig,
    Tokenizer,
    Uncalibrated,
    WindowConfig,
    load_model,
)
from spanjet.model import Model

QUESTION, TEXT = "who built it?", "it was built by clara in 1903"
RUNTIME = RuntimeConfig(precision="f32", cache_dir=None)


def unpickled(content: bytes) -> Any:
    return pickle.loads(content)  # noqa: S301  (what these tests pickled)


def again(value: Any) -> Any:
    return unpickled(pickle.dumps(value))


@pytest.fixture(scope="module")
def tiny() -> Reader:
    return Reader(TINY, runtime_config=RUNTIME)


@pytest.mark.filterwarnings("ignore::spanjet.Uncalibrated")
def test_a_pickled_reader_keeps_its_settings() -> None:
    reader = Reader(
        TINY,
        threshold=0.25,
        window_config=WindowConfig(max_length=40, doc_stride=7),
        decode_config=DecodeConfig(n_best=3),
        runtime_config=replace(RUNTIME, threads=1),
        match_special_tokens=True,
    )
    other = again(again(reader))
    for name in ("threshold", "window_config", "decode_config", "runtime_config", "calibration"):
        assert getattr(other, name) == getattr(reader, name)
    assert other.model.path == TINY
    assert other.tokenizer.encode("[SEP]").tokens == reader.tokenizer.encode("[SEP]").tokens == ["[SEP]"]
    assert other.ask_many([QUESTION], TEXT, top_k=3) == reader.ask_many([QUESTION], TEXT, top_k=3)


def test_a_pickled_reader_reads_its_model_when_it_is_first_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tiny").symlink_to(TINY)
    monkeypatch.chdir(tmp_path)
    content = pickle.dumps(Reader("tiny", runtime_config=RUNTIME))
    monkeypatch.chdir("/")
    assert unpickled(content).ask(QUESTION, TEXT).text
    reader, unused = unpickled(content), unpickled(content)
    (tmp_path / "tiny").unlink()
    with pytest.raises(FileNotFoundError, match="no such directory"):
        reader.ask(QUESTION, TEXT)
    assert len(pickle.dumps(unused)) == len(content)


def test_a_pickled_reader_is_built_once_by_all_threads(tiny: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Any] = []
    original = Reader._build

    def build(self: Reader) -> Any:
        built.append(self)
        return original(self)

    monkeypatch.setattr(Reader, "_build", build)
    other = again(tiny)
    barrier = threading.Barrier(8)

    def ask(_: int) -> str:
        barrier.wait()
        return str(other.ask(QUESTION, TEXT).text)

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(ask, range(8))) == {tiny.ask(QUESTION, TEXT).text}
    assert built == [other]


class Named(Reader):
    """A reader with something of its own."""

    def __init__(self, name: str) -> None:
        super().__init__(TINY, runtime_config=RUNTIME)
        self.name = name


def test_a_pickled_reader_keeps_what_a_subclass_adds() -> None:
    other = again(Named("mine"))
    assert (type(other), other.name) == (Named, "mine")
    assert other.ask(QUESTION, TEXT).text


def test_documents_cross_with_and_without_their_reader(tiny: Reader) -> None:
    document = tiny.prepare(TEXT)
    expected = tiny.ask(QUESTION, TEXT)
    reader, both = again((tiny, document))
    alone = again(document)
    for found in (both, alone):
        assert (found.text, len(found)) == (TEXT, len(document))
        assert found.encoding.tokens == document.encoding.tokens
        assert found.encoding.offsets.tolist() == document.encoding.offsets.tolist()
        # Back in the first process too, and with a reader that was made on its own, with other threads.
        for asked in (reader, tiny, Reader(TINY, runtime_config=replace(RUNTIME, threads=1))):
            assert asked.ask(QUESTION, found) == expected
            assert asked.search(QUESTION, [found], threshold=None)[0].text == expected.text


def test_a_document_of_other_settings_is_still_refused(tiny: Reader) -> None:
    other = Reader(TINY, runtime_config=RUNTIME, match_special_tokens=True)
    with pytest.raises(ValueError, match="encoded by another tokenizer"):
        other.ask(QUESTION, again(tiny.prepare(TEXT)))


def test_a_document_whose_tokenizer_is_gone(tmp_path: Path) -> None:
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_bytes((TINY / "vocab.txt").read_bytes())
    content = pickle.dumps(Document(Tokenizer(vocabulary).encode(TEXT)))
    vocabulary.unlink()
    with pytest.raises(FileNotFoundError, match=r"vocab\.txt"):
        unpickled(content)


@pytest.mark.parametrize("threads", [None, 1])
@pytest.mark.parametrize("match_special_tokens", [False, True])
def test_a_pickled_tokenizer(
    threads: int | None, match_special_tokens: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(TINY)
    tokenizer = Tokenizer("vocab.txt", match_special_tokens=match_special_tokens, threads=threads)
    monkeypatch.chdir("/")
    other = again(tokenizer)
    assert repr(other) == repr(tokenizer)
    assert other.encode("a [SEP] b").tokens == tokenizer.encode("a [SEP] b").tokens
    assert len(other.windows([QUESTION], [tokenizer.encode(TEXT)])) == 1


def test_results_and_settings_can_be_pickled(tiny: Reader) -> None:
    answer = tiny.ask(QUESTION, TEXT)
    found = tiny.search(QUESTION, [(7, TEXT)], threshold=None)
    failures = list(tiny.stream([("", TEXT)], errors="return"))
    for value in (answer, found, Calibration(slope=2.0), WindowConfig(), DecodeConfig(), RuntimeConfig()):
        assert again(value) == value == copy.deepcopy(value)
    (failure,) = again(failures)
    assert isinstance(failure, Failure)
    assert str(failure.error) == str(failures[0].error)  # type: ignore[union-attr]


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy])
def test_a_copy_is_the_same(tiny: Reader, toy: Model, make: Callable[[Any], Any]) -> None:
    in_memory = Reader(toy, window_config=WindowConfig(max_length=48, doc_stride=16), runtime_config=RUNTIME)
    for reader in (tiny, in_memory):
        document = reader.prepare(TEXT)
        for value in (reader, reader.tokenizer, document.encoding):
            assert make(value) is value
        assert reader.ask(QUESTION, make(document)) == reader.ask(QUESTION, TEXT)
    assert make(toy).path == toy.path


def test_a_model_that_was_loaded_is_pickled_as_its_directory() -> None:
    model = load_model(TINY)
    other = again(model)
    assert (other.path, other.source, other.vocab_size) == (TINY, TINY, model.vocab_size)
    assert other.repository is None


def test_a_model_of_the_hub_keeps_its_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spanjet.model.hub.HubModel.download", lambda _: TINY)
    assert again(load_model("team/tiny")).repository == "team/tiny"


def test_a_model_made_in_memory_cannot_go(toy: Model) -> None:
    changed = replace(load_model(TINY), model=load_model(TINY).model)
    windows = WindowConfig(max_length=48, doc_stride=16)
    for value in (toy, changed, Reader(toy, window_config=windows, runtime_config=RUNTIME), Reader(changed)):
        with pytest.raises(pickle.PicklingError, match=r"made in memory.*write_model_directory"):
            pickle.dumps(value)


def test_a_compiled_model_cannot_go(tiny: Reader) -> None:
    with pytest.raises(pickle.PicklingError, match="expected the Reader"):
        pickle.dumps(tiny.engine)


def run(script: Path, source: str, *arguments: str | Path) -> str:
    """Run a program in a process of its own; its output."""
    script.write_text(textwrap.dedent(source))
    command = [sys.executable, str(script), *map(str, arguments)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert (found.returncode, found.stderr) == (0, "")
    return found.stdout


def test_spawned_workers_answer(tmp_path: Path, tiny: Reader) -> None:
    source = """
        import sys
        from functools import partial
        from multiprocessing import get_context
        from spanjet import Reader, RuntimeConfig

        QUESTION, TEXT = "who built it?", "it was built by clara in 1903"

        def ask(reader, document):
            return reader.ask(QUESTION, document).text, reader.prepare(document.text)

        if __name__ == "__main__":
            reader = Reader(sys.argv[1], runtime_config=RuntimeConfig(precision="f32", cache_dir=None))
            reader.ask(QUESTION, TEXT)
            with get_context("spawn").Pool(1) as pool:
                found = pool.map(partial(ask, reader), [reader.prepare(TEXT)] * 3, chunksize=3)
            texts = {text for text, _ in found}
            print(texts | {reader.ask(QUESTION, document).text for _, document in found})
    """
    assert run(tmp_path / "spawn.py", source, TINY) == f"{ {tiny.ask(QUESTION, TEXT).text} }\n"


@pytest.mark.parametrize("when", ["before", "after"])
def test_ask_async_in_a_forked_child(tmp_path: Path, when: str) -> None:
    """With the lock of the parent's batcher held, as a thread of the parent's may at that time."""
    source = """
        import asyncio, os, sys, warnings
        from spanjet import Reader, RuntimeConfig

        warnings.simplefilter("ignore", DeprecationWarning)  # fork with threads
        reader = Reader(sys.argv[1], runtime_config=RuntimeConfig(precision="f32", cache_dir=None))

        def ask():
            return asyncio.run(reader.ask_async("who built it?", "it was built by clara")).text

        if sys.argv[2] == "after":
            ask()
        with reader.batcher._pool._changed:
            child = os.fork()
            if child == 0:
                try:
                    print(ask(), flush=True)
                except RuntimeError as error:
                    print(error, flush=True)
                reader.close()
                sys.exit(0)
            os.waitpid(child, 0)
        print(ask())
    """
    child, parent = run(tmp_path / "fork.py", source, TINY, when).splitlines()
    assert child == parent if when == "before" else child.startswith("this process was forked from one that")


def test_warnings_come_in_the_other_process_too(tiny: Reader) -> None:
    with pytest.warns(Uncalibrated):
        again(tiny).ask(QUESTION, TEXT, threshold=0.5)
