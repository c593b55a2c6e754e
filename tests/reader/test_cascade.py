"""Two models in turn: which windows are reread, and that all ways of asking agree."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
import random
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_model
from checkpoints import TINY
from spanjet import (
    Answer,
    CascadeConfig,
    DecodeConfig,
    Document,
    Failure,
    Reader,
    RuntimeConfig,
    Tokenizer,
    Uncalibrated,
    WindowConfig,
    Windows,
    answer_file,
    decode_spans,
)
from spanjet.config import SPECIAL_TOKENS
from spanjet.files.job import _reader_settings
from spanjet.model import Model
from spanjet.reader.cascade.cascade import Cascade
from spanjet.reader.cascade.search import CascadeSearch
from spanjet.runtime.engine import Runtime

WINDOWS = WindowConfig(max_length=48, doc_stride=16)
QUESTION = "who built the tower?"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model with the toy's tokenizer and other logits."""
    tables = (toy_model.table(7), toy_model.table(8))
    return toy_model.load(tmp_path_factory.mktemp("small"), toy_model.build(tables=tables))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model with a tokenizer and windows of its own, which reads fewer tokens."""
    directory = tmp_path_factory.mktemp("other")
    tables = (toy_model.table(9), toy_model.table(10))
    model = toy_model.load(directory, toy_model.build(tables=tables))
    shifted = (*toy_model.SPECIAL_TOKENS, *toy_model.WORDS[3:], *toy_model.WORDS[:3])
    rest = toy_model.VOCABULARY[len(shifted) :]
    model.tokenizer.write_text("\n".join((*shifted, *rest)) + "\n", encoding="utf-8")
    return replace(model, max_length=40)


@pytest.fixture(scope="module")
def alone(toy: Model, exact: RuntimeConfig) -> Reader:
    return Reader(toy, window_config=WINDOWS, runtime_config=exact)


Make = Callable[..., Reader]


@pytest.fixture(scope="module")
def make(toy: Model, small: Model, exact: RuntimeConfig) -> Make:
    """Make a reader of two models that rereads so many windows."""

    def reader(reread: int, **options: Any) -> Reader:
        given = {"model": toy, "first": small, "window_config": WINDOWS, "runtime_config": exact, **options}
        return Reader(given.pop("model"), cascade_config=CascadeConfig(reread=reread), **given)

    return reader


def random_pairs(count: int, seed: int) -> list[tuple[str, str]]:
    """Questions and texts of one window to a dozen."""
    generator = random.Random(seed)
    return [
        (toy_model.random_text(generator, 3), toy_model.random_text(generator, generator.choice([3, 30, 90])))
        for _ in range(count)
    ]


def logits(reader: Reader, windows: Windows) -> tuple[Any, Any]:
    """Of each window alone, in the order of its tokens."""
    start, end = np.empty(len(windows.ids), np.float32), np.empty(len(windows.ids), np.float32)
    for row in range(len(windows)):
        rows = np.array([row])
        (found,) = [
            (each.start.copy(), each.end.copy())
            for each in reader.engine.run([windows.batch(rows, multiple_of=16)], hint="LATENCY")
        ]
        windows.scatter(rows, found[0], start)
        windows.scatter(rows, found[1], end)
    return start, end


def ranked(reader: Reader, question: str, text: str) -> list[tuple[float, int]]:
    """The margin of each window of the first model's, and the character that it is about."""
    first = reader.first
    assert first is not None
    windows = first.windows([question], [text])
    start, end = logits(first, windows)
    parts = [
        range(int(offset), int(offset) + int(behind))
        for offset, behind in zip(
            windows.context_offset, np.diff(windows.indptr) - windows.context_start - 1, strict=True
        )
    ]
    found = []
    for row, part in enumerate(parts):
        low = (parts[row - 1].stop + part.start) // 2 if row else part.start
        high = (part.stop + parts[row + 1].start) // 2 if row + 1 < len(parts) else part.stop
        shift = int(windows.indptr[row]) + int(windows.context_start[row]) - part.start
        null = start[windows.indptr[row]] + end[windows.indptr[row]]
        spans = [
            (float(start[shift + i] + end[shift + j] - null), -i)
            for i in range(low, high)
            for j in range(i, min(i + reader.decode_config.max_answer_length, part.stop))
        ]
        margin, token = max(spans)
        found.append((margin, int(windows.contexts[0].offsets[-token, 0])))
    return found


def best_rows(reader: Reader, question: str, text: str, places: Sequence[tuple[float, int]]) -> list[int]:
    """The reader's own windows that are most central at the places."""
    windows = reader.windows([question], [text])
    offsets = windows.contexts[0].offsets
    part = [int(first) for first in windows.context_offset]
    ends = (windows.context_offset + np.diff(windows.indptr) - windows.context_start - 1).tolist()
    rows = set()
    for _, character in places:
        token = int(np.searchsorted(offsets[:, 0], character, side="right")) - 1
        borders = [(ends[row] + part[row + 1]) // 2 for row in range(len(windows) - 1)]
        rows.add(sum(token >= border for border in borders))
    return sorted(rows)


def obvious(reader: Reader, question: str, text: str, top_k: int) -> list[tuple[int, int, float, float]]:
    """The slow way: all windows by the first model, the best by the second, and what is decoded of those."""
    windows = reader.windows([question], [text])
    most = reader.cascade_config.reread
    rows = list(range(len(windows)))
    if len(windows) > most:
        places = sorted(ranked(reader, question, text), key=lambda place: -place[0])[:most]
        rows = best_rows(reader, question, text, places)
    start, end = logits(reader, windows)
    kept = np.isin(np.repeat(np.arange(len(windows)), np.diff(windows.indptr)), rows)
    chosen = windows.select(np.array(rows, np.int64))
    spans = decode_spans(chosen, start[kept], end[kept], top_k=top_k)
    columns = (spans.start, spans.end, spans.logit, spans.null_logit)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def numbers(answers: Sequence[Answer]) -> list[tuple[int, int, float, float]]:
    return [(each.start, each.end, each.logit, each.null_logit) for each in answers]


@pytest.mark.parametrize("reread", [1, 2, 3])
@pytest.mark.parametrize("first", ["small", "other"])
def test_equals_the_obvious_way(make: Make, reread: int, first: str, request: pytest.FixtureRequest) -> None:
    reader = make(reread, first=request.getfixturevalue(first))
    pairs = random_pairs(12, seed=reread)
    found = reader.ask_many(*map(list, zip(*pairs, strict=True)), top_k=3)
    assert any(len(reader.windows([question], [text])) > reread for question, text in pairs)
    for (question, text), answers in zip(pairs, found, strict=True):
        assert np.array(numbers(answers)) == pytest.approx(np.array(obvious(reader, question, text, 3)))
        assert all(text[each.start : each.end] == each.text for each in answers)


@pytest.mark.parametrize("first", ["small", "other"])
def test_all_ways_of_asking_agree(make: Make, first: str, request: pytest.FixtureRequest) -> None:
    reader = make(2, first=request.getfixturevalue(first))
    pairs = random_pairs(20, seed=5)
    questions, texts = [question for question, _ in pairs], [text for _, text in pairs]
    expected = reader.ask_many(questions, texts, top_k=2)
    assert [reader.ask(*pair, top_k=2) for pair in pairs] == expected
    documents = [reader.prepare(text) for text in texts]
    assert reader.ask_many(questions, documents, top_k=2) == expected
    crossed: list[Document] = pickle.loads(pickle.dumps(documents))  # noqa: S301  (our own)
    assert reader.ask_many(questions, crossed, top_k=2) == expected
    for look_ahead in (1, 4, 100):
        assert list(reader.stream(pairs, top_k=2, look_ahead=look_ahead)) == expected
    bad = [*pairs[:3], (QUESTION, " "), *pairs[3:]]
    results = list(reader.stream(bad, top_k=2, errors="return", look_ahead=6))
    assert isinstance(results.pop(3), Failure)
    assert results == expected

    async def concurrently() -> list[list[Answer]]:
        together = asyncio.gather(*(reader.ask_async(*pair, top_k=2) for pair in pairs))
        refusing = asyncio.gather(*(reader.ask_async(*pair, top_k=2, when_full="raise") for pair in pairs))
        many = reader.ask_many_async(questions, documents, top_k=2)
        one, other, third = await asyncio.gather(together, refusing, many)
        assert one == other == third
        return list(one)

    with reader:
        assert asyncio.run(concurrently()) == expected


def test_a_document_has_two_encodings_where_tokenizers_differ(
    make: Make, alone: Reader, other: Model
) -> None:
    text = random_pairs(5, seed=2)[4][1] * 3
    one = make(1).prepare(text)
    assert one.first is None
    both = make(1, first=other).prepare(text)
    assert both.first is not None
    assert both.first.ids.tolist() != both.encoding.ids.tolist()
    assert both.first.ids.tolist() == Tokenizer(other.tokenizer).encode(text).ids.tolist()
    # Each is read by readers of the same second model; what is missing is made.
    for reader in (make(1, first=other), make(1), alone):
        for document in (one, both):
            assert reader.ask(QUESTION, document) == reader.ask(QUESTION, text)
    with pytest.raises(TypeError, match="first: expected Encoding, found str"):
        Document(one.encoding, "text")  # type: ignore[arg-type]


def test_a_document_of_another_first_tokenizer_is_tokenized_again(make: Make, other: Model) -> None:
    text = random_pairs(5, seed=2)[4][1] * 3
    both = make(1, first=other)
    document = both.prepare(text)
    wrong = Document(document.encoding, make(1).prepare(text).encoding)
    assert both.ask(QUESTION, wrong) == both.ask(QUESTION, text)


def refuse(*_: Any, **__: Any) -> Any:
    raise AssertionError("the first model runs")


@pytest.mark.parametrize("first", ["small", "other"])
def test_short_texts_are_those_of_the_second_model_alone(
    make: Make, alone: Reader, first: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = random_pairs(20, seed=3)
    questions, texts = [question for question, _ in pairs], [text for _, text in pairs]
    most = int(np.bincount(alone.windows(questions, texts).question).max())
    assert most > 3
    reader = make(most, first=request.getfixturevalue(first))
    small_reader = reader.first
    assert small_reader is not None
    monkeypatch.setattr(small_reader.engine, "run", refuse)
    expected = alone.ask_many(questions, texts, top_k=3)
    assert reader.ask_many(questions, texts, top_k=3) == expected
    assert list(reader.stream(pairs, top_k=3)) == expected
    assert asyncio.run(reader.ask_many_async(questions, texts, top_k=3)) == expected
    question, passages = questions[0], texts[:2]
    total = len(alone.windows([question] * 2, passages))
    reader = reader.with_config(cascade_config=CascadeConfig(reread=total))
    assert reader.search(question, passages, threshold=None) == alone.search(
        question, passages, threshold=None
    )
    assert asyncio.run(reader.search_async(question, passages)) == alone.search(question, passages)
    with pytest.raises(AssertionError, match="the first model runs"):
        reader.with_config(cascade_config=CascadeConfig(reread=1)).ask_many(questions, texts)
    reader.close()


def test_as_many_windows_as_there_are_give_the_second_model_alone(make: Make, alone: Reader) -> None:
    """Short and long texts together: each is read by its own rule."""
    pairs = random_pairs(20, seed=9)
    reader = make(3)
    found = list(reader.stream(pairs))
    expected = list(alone.stream(pairs))
    short = [len(alone.windows([question], [text])) <= 3 for question, text in pairs]
    assert any(short)
    assert not all(short)
    assert [each for each, is_short in zip(found, short, strict=True) if is_short] == [
        each for each, is_short in zip(expected, short, strict=True) if is_short
    ]


@pytest.mark.parametrize("mode", ["squad", "hf"])
def test_other_modes(make: Make, alone: Reader, mode: Any) -> None:
    config = DecodeConfig(mode=mode)
    pairs = random_pairs(10, seed=4)
    found = list(make(1, decode_config=config).stream(pairs, top_k=2))
    everything = list(make(1000, decode_config=config).stream(pairs, top_k=2))
    assert everything == list(alone.with_config(decode_config=config).stream(pairs, top_k=2))
    assert found != everything
    assert all(
        text[each[0].start : each[0].end] == each[0].text or mode == "squad"
        for (_, text), each in zip(pairs, found, strict=True)
    )


def test_search_rereads_the_best_windows_of_all_passages(make: Make) -> None:
    generator = random.Random(6)
    passages = [toy_model.random_text(generator, generator.choice([2, 20, 60])) for _ in range(25)]
    passages[7:9] = ["", " \n"]
    questions = [toy_model.random_text(generator, 3) for _ in range(3)]
    reader = make(4)
    results = reader.search(questions, passages, top_k=5, threshold=None)
    for question, result in zip(questions, results, strict=True):
        places = [
            (-margin, position, index, character)
            for position, text in enumerate(passages)
            if len(reader.prepare(text))
            for index, (margin, character) in enumerate(ranked(reader, question, text))
        ]
        best: dict[int, list[tuple[float, int]]] = {}
        for margin, position, _, character in sorted(places)[:4]:
            best.setdefault(position, []).append((-margin, character))
        expected, no_answer = [], 1.0
        for position in sorted(best):
            text = passages[position]
            windows = reader.windows([question], [text])
            rows = best_rows(reader, question, text, best[position])
            start, end = logits(reader, windows)
            kept = np.isin(np.repeat(np.arange(len(windows)), np.diff(windows.indptr)), rows)
            chosen = windows.select(np.array(rows, np.int64))
            spans = decode_spans(chosen, start[kept], end[kept], top_k=5)
            no_answer *= float(spans.no_answer[0])
            margins = (spans.logit - spans.null_logit).tolist()
            expected += [
                (-margin, position, *each)
                for margin, *each in zip(margins, spans.start.tolist(), spans.end.tolist(), strict=True)
            ]
        expected.sort(key=lambda each: each[:2])
        assert [(each.passage, each.start, each.end) for each in result] == [
            each[1:] for each in expected[:5]
        ]
        assert result.no_answer == pytest.approx(no_answer)
        assert result.passages == 25
        assert result == reader.search(question, (each for each in passages), threshold=None)
        assert result == reader.search(question, [reader.prepare(text) for text in passages], threshold=None)
        assert result == asyncio.run(reader.search_async(question, passages, threshold=None))
    reader.close()


@pytest.mark.parametrize(("chunk_pairs", "chunk_tokens"), [(1, 1000), (7, 50), (1000, 1000)])
def test_search_in_chunks_is_the_same(make: Make, chunk_pairs: int, chunk_tokens: int) -> None:
    generator = random.Random(8)
    passages = [(str(index), toy_model.random_text(generator, 30)) for index in range(30)]
    reader = make(3)
    pipeline, questions = reader._pipeline, ["who?", "when the king?"]
    assert isinstance(pipeline, Cascade)
    expected = reader.search(questions, passages, top_k=4)
    options: dict[str, Any] = {"top_k": 4, "chunk_pairs": chunk_pairs, "chunk_tokens": chunk_tokens}
    assert CascadeSearch(pipeline, questions, **options).run(iter(passages), None) == expected
    search = CascadeSearch(pipeline, questions, **options)
    passes = []
    for part in search.parts(iter(passages)):
        model = pipeline.first if part.is_first_pass else pipeline.alone
        chunk, hint = model.only_chunk(part.prepare())
        (complete,) = model.run([chunk], hint=hint)
        part.collect(complete)
        passes.append(part.is_first_pass)
    assert search.results(None) == expected
    assert passes[-1] is False
    assert all(passes[:-1])
    assert len(passes) > 2 or chunk_pairs == 1000
    assert CascadeSearch(pipeline, questions, top_k=1).run([], None) == reader.search(questions, [])
    assert list(CascadeSearch(pipeline, questions, top_k=1).parts([" "])) == []


def test_errors_name_their_place(make: Make, alone: Reader, small: Model, exact: RuntimeConfig) -> None:
    reader = make(1)
    foreign = Reader(TINY, runtime_config=exact).prepare("the tower. " * 40)
    long = "the tower in paris. " * 20
    with pytest.raises(ValueError, match="context 1 was encoded by another tokenizer"):
        reader.ask_many([QUESTION] * 2, [long, foreign])
    with pytest.raises(ValueError, match=r"passages\[1\]: .*encoded by another tokenizer"):
        reader.search(QUESTION, [long, foreign])
    with pytest.raises(ValueError, match=r"passages\[2\]: .*surrogate"):
        reader.search(QUESTION, [long, long, "\ud800"])
    for ask in (reader.ask, alone.ask):
        with pytest.raises(ValueError, match="question"):
            ask(" ", long)
    not_numbers = np.full(len(toy_model.VOCABULARY), np.nan, np.float32)
    broken = replace(small, model=toy_model.build(tables=(not_numbers, not_numbers)))
    reader = make(1, first=broken)
    with pytest.raises(ValueError, match="the first model: start_logits of window 0 at position 0 is NaN"):
        reader.ask(QUESTION, long)
    with pytest.raises(ValueError, match="the first model: start_logits"):
        list(reader.stream([(QUESTION, long)]))
    with pytest.raises(ValueError, match="the first model: start_logits"):
        asyncio.run(reader.ask_async(QUESTION, long))
    assert reader.ask(QUESTION, "the tower") == alone.ask(QUESTION, "the tower")
    reader.close()


def test_settings_are_checked(make: Make, toy: Model, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"CascadeConfig\.reread is 0; expected an integer of at least 1"):
        CascadeConfig(reread=0)
    with pytest.raises(TypeError, match=r"CascadeConfig\.reread is True"):
        CascadeConfig(reread=True)
    with pytest.raises(TypeError, match="cascade_config: expected CascadeConfig, found WindowConfig"):
        Reader(toy, first=toy, cascade_config=WINDOWS)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError, match="missing"):
        make(1, first=tmp_path / "missing")
    with pytest.raises(ValueError, match="top_k is 0"):
        make(1).search("who?", ["the tower"], top_k=0)
    assert make(3).cascade_config == CascadeConfig(reread=3)
    assert CascadeConfig().reread == 5


@pytest.mark.parametrize(
    "window_config",
    [
        WindowConfig(max_length=80, doc_stride=70, max_question_length=None),
        WindowConfig(max_length=80, doc_stride=75, convention="overlap", max_question_length=None),
        WindowConfig(max_length=44, doc_stride=1),
    ],
)
def test_a_first_model_with_shorter_windows(make: Make, other: Model, window_config: WindowConfig) -> None:
    reader = make(1, first=other, window_config=window_config)
    first = reader.first
    assert first is not None
    config = first.window_config
    assert config.max_length == 40
    assert config.allow_empty
    room = config.max_length - SPECIAL_TOKENS - (config.max_question_length or 0)
    assert room >= config.max_length // 2 - 2
    if window_config.max_question_length is None and window_config.convention == "advance":
        question = "who? " * 30  # which would fill a window of the first model
        text = "the river. " * 60
        assert len(first.tokenizer.encode(question)) > 40
        assert reader.ask(question, text).text in text


def test_readers_with_other_settings_share_both_models(make: Make, small: Model) -> None:
    reader = make(2)
    other = reader.with_config(cascade_config=CascadeConfig(reread=1), decode_config=DecodeConfig(n_best=3))
    assert other.cascade_config.reread == 1
    assert reader.cascade_config.reread == 2
    firsts = reader.first, other.first
    assert firsts[0] is not None
    assert firsts[1] is not None
    assert (other.engine, firsts[1].engine) == (reader.engine, firsts[0].engine)
    assert firsts[0].batcher is firsts[1].batcher
    assert firsts[0].model is small
    assert firsts[0].first is None
    assert copy.copy(reader) is reader
    pairs = random_pairs(10, seed=11)
    assert list(other.stream(pairs)) == list(make(1, decode_config=DecodeConfig(n_best=3)).stream(pairs))
    assert repr(reader) == f"Reader({str(reader.model.path)!r}, first={str(small.path)!r}, threshold=None)"


def test_a_pickled_reader_has_both_models() -> None:
    runtime = RuntimeConfig(precision="f32", cache_dir=None)
    config = WindowConfig(max_length=40, doc_stride=8)
    reader = Reader(
        TINY, first=TINY, cascade_config=CascadeConfig(reread=2), window_config=config, runtime_config=runtime
    )
    text = "it was built by clara in 1903. " * 10
    crossed = pickle.loads(pickle.dumps(reader))  # noqa: S301  (our own)
    unused = pickle.loads(pickle.dumps(crossed))  # noqa: S301  (our own)
    for other in (crossed, unused):
        assert other.ask(QUESTION, text) == reader.ask(QUESTION, text)
        assert other.first.model.path == TINY
        assert other.cascade_config == CascadeConfig(reread=2)


def test_files(make: Make, tmp_path: Path) -> None:
    pairs = random_pairs(8, seed=12)
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    rows = [{"id": str(n), "question": q, "context": c} for n, (q, c) in enumerate(pairs)]
    source.write_text("".join(f"{json.dumps(row)}\n" for row in rows))

    reader = make(1)
    result = answer_file(source, out, reader=reader)
    assert result.answered == 8
    answers = [json.loads(line) for line in out.read_text().splitlines()]
    assert [each["answers"][0]["text"] for each in answers] == [
        found[0].text for found in reader.stream(pairs)
    ]
    # A job that is resumed must have been begun with the same models and settings.
    one, same, other = (_reader_settings(make(reread), "reader") for reread in (1, 1, 2))
    assert one == same
    assert [name for name in one if one[name] != other[name]] == ["cascade"]
    single = _reader_settings(make(1, first=None), "reader")
    assert set(one) - set(single) == {"first", "cascade", "cascade_calibration"}


CARD = {"slope": 0.5, "intercept": -12.0, "temperature": 2.0, "threshold": 0.99}
PAIR = {"slope": 2.0, "intercept": -57.0, "temperature": 3.0, "sentence_margin": 1.0, "threshold": 0.7}


def card_of(first: Model, reread: int, **more: Any) -> dict[str, Any]:
    entry = {"first_sha256": first.digest, "reread": reread, **PAIR, **more}
    other = {"first_sha256": "another", "reread": reread, "slope": 9.0}
    return {"calibration": CARD, "cascades": [other, entry]}


def test_long_texts_have_the_calibration_of_both(make: Make, toy: Model, small: Model) -> None:
    reader = make(2, model=replace(toy, card=card_of(small, 2)))
    assert reader.cascade_calibration is not None
    assert reader.cascade_calibration.slope == 2.0
    assert (reader.calibration.slope, reader.threshold) == (0.5, 0.99)
    alone = make(2, model=replace(toy, card={"calibration": CARD}), first=None)
    # A reader whose model's own calibration is that of both.
    swapped = make(2, model=replace(toy, card={"calibration": PAIR}), threshold=None)
    pairs = random_pairs(30, seed=13)
    texts = [text for _, text in pairs]
    long = [len(reader.windows([question], [text])) > 2 for question, text in pairs]
    for threshold in (None, 0.5, "model"):
        found = list(reader.stream(pairs, threshold=threshold, top_k=2))
        of_alone = list(alone.stream(pairs, threshold=threshold, top_k=2))
        with pytest.warns(Uncalibrated) if threshold else nullcontext():
            of_pair = list(swapped.stream(pairs, threshold=threshold, top_k=2))
        expected = [
            two if is_long else one for one, two, is_long in zip(of_alone, of_pair, long, strict=True)
        ]
        assert found == expected
        questions = [question for question, _ in pairs]
        assert asyncio.run(reader.ask_many_async(questions, texts, threshold=threshold, top_k=2)) == expected
        swapped = make(2, model=replace(toy, card={"calibration": PAIR}), threshold=None)
    nulls = [each[0].is_null for each in reader.stream(pairs)]
    assert any(null for null, is_long in zip(nulls, long, strict=True) if is_long)
    reader.close()


def test_models_that_are_not_calibrated_together_warn_once(make: Make, toy: Model, small: Model) -> None:
    calibrated = replace(toy, card=card_of(small, 2))
    message = "not calibrated together, so that scores of long texts are those of the former alone"
    with pytest.warns(Uncalibrated, match=message) as caught:
        reader = make(3, model=calibrated)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert reader.cascade_calibration is None
    reader.ask(QUESTION, "the tower")
    quiet = make(3, model=calibrated, threshold=None)
    quiet.ask(QUESTION, "the tower. " * 60)
    with pytest.warns(Uncalibrated, match=message) as caught:
        quiet.ask(QUESTION, "the tower", threshold=0.5)
    assert len(caught) == 1
    with pytest.warns(Uncalibrated, match="the model .* is not calibrated") as caught:
        make(3, threshold=0.5)
    assert len(caught) == 1


@pytest.mark.parametrize(
    ("cascades", "message"),
    [
        ({"first_sha256": "x"}, r'card\.json: "cascades" is .*; expected an array of objects'),
        ([1], r'card\.json: "cascades"\[0\] is 1; expected an object'),
        ("entry", r'card\.json: "cascades"\[1\]: slope is -1; expected a finite number of at least 0'),
    ],
)
def test_a_malformed_card(make: Make, toy: Model, small: Model, cascades: Any, message: str) -> None:
    card = card_of(small, 2, slope=-1) if cascades == "entry" else {"cascades": cascades}
    with pytest.raises(ValueError, match=message):
        make(2, model=replace(toy, card=card))


def test_the_first_reader_is_whole(make: Make, small: Model, exact: RuntimeConfig) -> None:
    reader = make(2).first
    assert reader is not None
    alone = Reader(small, window_config=replace(WINDOWS, allow_empty=True), runtime_config=exact)
    pairs = random_pairs(8, seed=14)
    assert list(reader.stream(pairs)) == list(alone.stream(pairs))
    assert isinstance(reader.engine, Runtime)
