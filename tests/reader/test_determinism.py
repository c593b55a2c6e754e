"""The same answers to the bit, whatever tuning sets, runs beside them, and however they are asked for."""

import asyncio
from dataclasses import fields
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from spanjet import Answer, Reader, RuntimeConfig
from spanjet.config import TUNED_DEFAULTS
from spanjet.evaluate import load_squad
from spanjet.reader.batching import padded_lengths
from spanjet.reader.tuned_settings import save_tuning

Pairs = list[tuple[str, str]]
Answers = list[list[Answer]]


def reader_with(**settings: Any) -> Reader:
    return Reader(threshold=None, runtime_config=RuntimeConfig(cache_dir=None, **settings))


def asked(reader: Reader, pairs: Pairs) -> Answers:
    return reader.ask_many(*zip(*pairs, strict=True), top_k=3)


@pytest.fixture(scope="module")
def bundled() -> Reader:
    return reader_with()


@pytest.fixture(scope="module")
def pairs(bundled: Reader, data: Path) -> Pairs:
    """SQuAD's questions on beginnings of their texts: windows of every rest of 16 in few rounded lengths.

    Some come twice, and one text has several windows.
    """
    questions = load_squad(data / "squad" / "v1.1.json").questions
    found: dict[int, tuple[str, str]] = {}
    for each in questions:
        words = each.context.split(" ")
        cut = [" ".join(words[:count]) for count in range(1, len(words) + 1)]
        lengths = np.diff(bundled.windows([each.question] * len(cut), cut).indptr)
        found.update(zip(lengths.tolist(), ((each.question, text) for text in cut), strict=True))
    chosen = [found[length] for length in sorted(found) if length // 16 in (2, 7, 12)]
    everything = " ".join({each.context: None for each in questions})
    return [*chosen, *chosen[::7], (questions[0].question, everything)]


@pytest.fixture(scope="module")
def expected(bundled: Reader, pairs: Pairs) -> Answers:
    return asked(bundled, pairs)


def test_the_questions_have_windows_of_many_lengths(bundled: Reader, pairs: Pairs) -> None:
    lengths = np.diff(bundled.windows(*zip(*pairs, strict=True)).indptr)
    assert set((lengths % 16).tolist()) == set(range(16))
    assert len(lengths) > len(pairs) > 40
    assert len(set(padded_lengths(lengths).tolist())) <= 8


SETTINGS = [
    *(
        {"threads": threads, "streams": streams, "batch_tokens": budget, "static_lengths": False}
        for threads, streams, budget in product((1, 2), (1, 2), (512, 4096))
    ),
    {"streams": None, "batch_tokens": 1024, "static_lengths": True},
    {"threads": 2, "streams": 1, "batch_tokens": 2048, "static_lengths": True},
    {"threads": 3, "streams": 2, "batch_tokens": 1, "static_lengths": False},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_settings(pairs: Pairs, expected: Answers, settings: dict[str, Any]) -> None:
    assert set(TUNED_DEFAULTS) <= set(settings)
    assert asked(reader_with(**settings), pairs) == expected


def test_a_tuning_file(tmp_path: Path, bundled: Reader, pairs: Pairs, expected: Answers) -> None:
    config = RuntimeConfig(cache_dir=tmp_path)
    tuned = {**TUNED_DEFAULTS, "streams": 1, "batch_tokens": 1536}
    save_tuning(bundled.model, config, {"settings": tuned})
    reader = Reader(threshold=None, runtime_config=config)
    assert (reader.runtime_config.streams, reader.runtime_config.batch_tokens) == (1, 1536)
    assert asked(reader, pairs) == expected


@pytest.mark.parametrize("seed", range(3))
def test_order_and_neighbours(bundled: Reader, pairs: Pairs, expected: Answers, seed: int) -> None:
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(pairs))[: generator.integers(2, len(pairs))].tolist()
    assert asked(bundled, [pairs[place] for place in order]) == [expected[place] for place in order]


def test_one_at_a_time(bundled: Reader, pairs: Pairs, expected: Answers) -> None:
    assert [bundled.ask(*pair) for pair in pairs] == [answers[0] for answers in expected]
    documents = [(question, bundled.prepare(text)) for question, text in pairs]
    assert [bundled.ask(*pair) for pair in documents] == [answers[0] for answers in expected]


@pytest.mark.parametrize("look_ahead", [1, 20, 2048])
def test_stream(bundled: Reader, pairs: Pairs, expected: Answers, look_ahead: int) -> None:
    assert list(bundled.stream(pairs, top_k=3, look_ahead=look_ahead)) == expected


def test_ask_async(bundled: Reader, pairs: Pairs, expected: Answers) -> None:
    async def all_at_once() -> Answers:
        return list(await asyncio.gather(*(bundled.ask_async(*pair, top_k=3) for pair in pairs)))

    with bundled:
        assert asyncio.run(all_at_once()) == expected


def test_search(bundled: Reader, pairs: Pairs, expected: Answers) -> None:
    question = pairs[-1][0]
    passages = [text for _, text in pairs]
    names = [field.name for field in fields(Answer)]
    found = bundled.search(question, passages, top_k=200)
    assert len(found) > len(passages)
    alone = bundled.ask_many([question] * len(passages), passages, top_k=200)
    assert alone[-1][:3] == expected[-1]
    for place, answers in enumerate(alone):
        kept = [[getattr(each, name) for name in names] for each in found if each.passage == place]
        assert kept == [[getattr(each, name) for name in names] for each in answers][: len(kept)]


@pytest.mark.parametrize("settings", [{}, {"int8": False, "precision": "f32"}], ids=["int8", "f32"])
def test_logits_of_a_window(bundled: Reader, pairs: Pairs, settings: dict[str, Any]) -> None:
    """Each window alone, at its own rounded length, and all of them in one batch at the longest."""
    reader = reader_with(**settings)
    windows = bundled.windows(*zip(*pairs, strict=True))
    padded = padded_lengths(np.diff(windows.indptr))
    everything = np.arange(len(windows))

    def logits(rows: list[NDArray[np.int64]], lengths: list[int], hint: Any) -> NDArray[np.float32]:
        found = np.empty((2, len(windows.ids)), np.float32)
        batches = [windows.batch(each, length=length) for each, length in zip(rows, lengths, strict=True)]
        for each, (start, end) in zip(rows, reader.engine.run(batches, hint=hint), strict=True):
            windows.scatter(each, start, found[0])
            windows.scatter(each, end, found[1])
        return found

    together = logits([everything], [int(padded.max()) + 64], "THROUGHPUT").view(np.int32)
    alone = logits(np.split(everything, len(everything)), padded.tolist(), "LATENCY").view(np.int32)
    np.testing.assert_array_equal(together, alone)
