"""Streams: order, bounds, failures in their place, and clean ends."""

import gc
import itertools
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pytest
import toy_model
from spanjet import Answer, Failure, Reader, RuntimeConfig, WindowConfig
from spanjet.model import Model
from spanjet.runtime.engine import Runtime, _Request

TEXT = "The engineer built a tower in Paris, near the river."
WINDOWS = WindowConfig(max_length=48, doc_stride=16)


def random_pairs(count: int, seed: int) -> list[tuple[str, str]]:
    generator = random.Random(seed)
    texts = [toy_model.random_text(generator, generator.choice([1, 5, 20, 90])) for _ in range(count // 2)]
    return [(toy_model.random_text(generator, 4), generator.choice(texts)) for _ in range(count)]


@pytest.mark.parametrize("look_ahead", [1, 2, 3, 10, 64, 5000])
def test_equals_one_question_at_a_time(reader: Reader, look_ahead: int) -> None:
    pairs = random_pairs(60, seed=look_ahead)
    expected = [reader.ask_many([question], [context], top_k=3)[0] for question, context in pairs]
    assert list(reader.stream(pairs, top_k=3, look_ahead=look_ahead)) == expected
    assert list(reader.stream(pairs, top_k=3, look_ahead=look_ahead, errors="return")) == expected


@pytest.mark.parametrize("look_ahead", [1, 2, 5, 10, 64])
def test_reads_no_further_than_it_may(reader: Reader, look_ahead: int) -> None:
    taken = 0

    def endless() -> Iterator[tuple[str, str]]:
        nonlocal taken
        while True:
            taken += 1
            yield "who?", TEXT

    stream = reader.stream(endless(), look_ahead=look_ahead)
    for index in range(3 * look_ahead):
        next(stream)
        assert taken <= index + look_ahead


BAD: list[Any] = [
    ("who?", ""),
    ("", TEXT),
    ("who?", 3),
    (None, TEXT),
    ("who?", "\ud800"),
    ("\udfff", TEXT),
    ("who?",),
    "ab",
    None,
]


@pytest.mark.parametrize("look_ahead", [1, 2, 7, 64])
def test_failures_take_their_place(reader: Reader, look_ahead: int) -> None:
    good = random_pairs(50, seed=3)
    mixed = [*good[:20], *BAD, *good[20:], *BAD]
    random.Random(look_ahead).shuffle(mixed)
    found = list(reader.stream(mixed, look_ahead=look_ahead, errors="return"))
    assert len(found) == len(mixed)
    for index, (pair, result) in enumerate(zip(mixed, found, strict=True)):
        if any(pair is bad for bad in BAD):
            assert isinstance(result, Failure)
            assert result.index == index
            assert isinstance(result.error, ValueError | TypeError)
            assert str(result.error).startswith(f"pair {index}: ")
        else:
            assert result == [reader.ask(*pair)]


def test_a_long_run_of_failures_is_not_read_to_its_end(reader: Reader) -> None:
    taken = itertools.count()
    stream = reader.stream((("", str(next(taken))) for _ in itertools.count()), look_ahead=8, errors="return")
    for _ in range(40):
        assert isinstance(next(stream), Failure)
    assert next(taken) < 40 + 8


def test_failures_are_values() -> None:
    failure = Failure(3, ValueError("x"))
    with pytest.raises(FrozenInstanceError):
        failure.index = 4  # type: ignore[misc]


@pytest.mark.parametrize("look_ahead", [1, 4, 100])
def test_a_question_whose_logits_are_no_numbers(
    toy: Model, exact: RuntimeConfig, monkeypatch: pytest.MonkeyPatch, look_ahead: int
) -> None:
    table = toy_model.END.copy()
    table[toy_model.VOCABULARY.index("king")] = np.nan
    monkeypatch.setattr(toy_model, "END", table)
    reader = Reader(replace(toy, model=toy_model.build()), window_config=WINDOWS, runtime_config=exact)
    pairs = [("who?", "paris"), ("who?", "the king"), ("who?", ""), ("who?", "the queen")]
    first, second, third, fourth = reader.stream(pairs, look_ahead=look_ahead, errors="return")
    assert (first, fourth) == ([reader.ask(*pairs[0])], [reader.ask(*pairs[3])])
    assert isinstance(second, Failure)
    assert "end_logits" in str(second.error)
    assert isinstance(third, Failure)
    with pytest.raises(ValueError, match="pair 1: end_logits"):
        list(reader.stream(pairs, look_ahead=look_ahead))


@pytest.mark.parametrize("look_ahead", [1, 4, 100])
@pytest.mark.parametrize("errors", ["raise", "return"])
@pytest.mark.parametrize("error", [LookupError("no more"), ValueError("of the caller's")])
def test_the_source_s_error_comes_after_the_answers(
    reader: Reader, look_ahead: int, errors: Any, error: Exception
) -> None:
    def pairs() -> Iterator[tuple[str, str]]:
        yield from [("who?", TEXT)] * 5
        raise error

    stream = reader.stream(pairs(), look_ahead=look_ahead, errors=errors)
    assert [next(stream) for _ in range(5)] == [[reader.ask("who?", TEXT)]] * 5
    with pytest.raises(type(error), match=str(error)):
        next(stream)


def count_encodes(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that are tokenized from now on, by streams."""
    texts: list[str] = []
    tokenizer = reader.tokenizer

    class Counting:
        def encode(self, text: str) -> Any:
            texts.append(text)
            return tokenizer.encode(text)

        def windows(self, questions: Any, contexts: Any, **options: Any) -> Any:
            assert not any(isinstance(context, str) for context in contexts)
            return tokenizer.windows(questions, contexts, **options)

    monkeypatch.setattr(reader._pipeline, "tokenizer", Counting())
    return texts


def test_a_context_that_comes_again_is_not_tokenized_again(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = count_encodes(reader, monkeypatch)
    pairs = [("who?", f"{TEXT} {index // 7}") for index in range(70)]
    equal = [(question, "".join(list(context))) for question, context in pairs]
    list(reader.stream(equal, look_ahead=10))
    assert texts == list(dict.fromkeys(context for _, context in pairs))


def test_documents_are_never_tokenized_again(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    document = reader.prepare(TEXT)
    texts = count_encodes(reader, monkeypatch)
    list(reader.stream([("who?", document)] * 20, look_ahead=4))
    assert texts == []


@pytest.mark.parametrize("end", ["close", "drop", "interrupt"])
def test_nothing_runs_on_after_the_end(
    toy: Model, exact: RuntimeConfig, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    reader = Reader(toy, window_config=WINDOWS, runtime_config=exact)
    started: list[_Request] = []
    start = _Request.start

    def remember(self: _Request, batch: Any) -> None:
        started.append(self)
        start(self, batch)

    monkeypatch.setattr(_Request, "start", remember)

    def pairs() -> Iterator[tuple[str, str]]:
        for index in itertools.count():
            if end == "interrupt" and index == 200:
                raise KeyboardInterrupt
            yield "who?", f"{TEXT} {index}"

    stream: Any = reader.stream(pairs(), look_ahead=60)
    if end == "interrupt":
        with pytest.raises(KeyboardInterrupt):
            list(stream)
    else:
        next(stream)
        if end == "close":
            stream.close()
        del stream
        gc.collect()
    assert started
    # They have come to their end; to cancel one would raise here, and harm later ones.
    assert all(request._request.wait_for(0) for request in started)
    assert reader.ask("who?", TEXT)
    assert len(list(reader.stream([("who?", TEXT)] * 100))) == 100


def test_other_calls_between_answers(reader: Reader) -> None:
    expected = reader.ask("when?", TEXT)
    for _ in reader.stream([("who?", TEXT)] * 50, look_ahead=8):
        assert reader.ask("when?", TEXT) == expected


def test_threads_share_a_reader(reader: Reader) -> None:
    jobs = [random_pairs(40, seed) for seed in range(4)]
    expected = [list(reader.stream(pairs)) for pairs in jobs]
    found: list[list[list[Answer]]] = [[] for _ in jobs]

    def run(index: int) -> None:
        found[index] = list(reader.stream(jobs[index], look_ahead=12))

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected


def test_refuses_at_once(reader: Reader) -> None:
    with pytest.raises(ValueError, match="errors is 'ignore'; expected 'raise' or 'return'"):
        reader.stream([], errors="ignore")  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="top_k"):
        reader.stream([], top_k=0)
    with pytest.raises(TypeError, match=r"top_k is .*; expected an integer from 1"):
        reader.stream([], top_k="1")  # type: ignore[call-overload]


def test_prepares_while_it_infers(toy: Model, exact: RuntimeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a part is read, batches of the one before are queued."""
    reader = Reader(toy, window_config=WINDOWS, runtime_config=exact)
    under_way: list[int] = []
    pending = 0
    run: Callable[..., Iterator[Any]] = Runtime.run

    def counting(self: Any, batches: Any, **options: Any) -> Iterator[Any]:
        def given() -> Iterator[Any]:
            nonlocal pending
            for batch in batches:
                pending += batch is not None
                yield batch

        def taken() -> Iterator[Any]:
            nonlocal pending
            for logits in run(self, given(), **options):
                pending -= 1
                yield logits

        return taken()

    monkeypatch.setattr(Runtime, "run", counting)

    def pairs() -> Iterator[tuple[str, str]]:
        for index in range(400):
            under_way.append(pending)
            yield "who?", f"{TEXT} {index}"

    assert len(list(reader.stream(pairs(), look_ahead=100))) == 400
    assert set(under_way[:50]) == {0}
    assert min(under_way[50:]) > 0


def test_contexts_of_other_types(reader: Reader) -> None:
    """An encoding alone is none either: answers are cut out of a text or a document."""
    encoding: Any = reader.prepare(TEXT).encoding
    with pytest.raises(TypeError, match=r"^context is of type Encoding, expected str or Document$"):
        reader.ask("who?", encoding)
    found = list(reader.stream([("who?", TEXT), ("who?", encoding)], errors="return"))
    assert isinstance(found[0], list)
    assert isinstance(found[1], Failure)
    assert "is of type Encoding, expected str or Document" in found[1].reason
    with pytest.raises(TypeError, match="pairs: expected an iterable of pairs, found int"):
        reader.stream(5)  # type: ignore[call-overload]
