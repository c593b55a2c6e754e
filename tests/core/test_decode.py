"""Answer spans of both modes, equal to the slow reference."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import peer
import pytest
import reference
import texts
from decoding import MODES, Case, Floats, Mode, assert_equal, case
from spanjet import Tokenizer, Windows, decode_spans


def passages(model: str, count: int, seed: int, *, most: int, **options: Any) -> Case:
    path = peer.UNCASED if model == "uncased" else peer.CASED
    return case(path, ["who is the [MASK] of 2016?"] * count, texts.passages(count, seed, most), **options)


@pytest.fixture(scope="module", params=["uncased", "cased"])
def short(request: pytest.FixtureRequest) -> Case:
    """Many overlapping windows."""
    return passages(request.param, 12, seed=7, most=60, max_length=48, doc_stride=12, max_question_length=9)


@pytest.fixture(scope="module")
def long() -> Case:
    """Windows of the usual size."""
    return passages("uncased", 3, seed=8, most=400)


def tied(windows: Windows, seed: int) -> tuple[Floats, Floats]:
    """Logits of few values, zeros of both signs among them, so that most candidates are equal."""
    rng = np.random.default_rng(seed)
    values = np.array([-1.5, -1, -0.0, 0.0, 0.5, 1], np.float32)
    start, end = (rng.choice(values, len(windows.ids)) for _ in range(2))
    return start, end


def distinct(windows: Windows, seed: int) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    start, end = (rng.normal(scale=3, size=len(windows.ids)).astype(np.float32) for _ in range(2))
    return start, end


def peaked(windows: Windows, seed: int) -> tuple[Floats, Floats]:
    """As a model gives them: low nearly everywhere, a few peaks."""
    rng = np.random.default_rng(seed)
    start, end = (rng.normal(-6, 1, len(windows.ids)).astype(np.float32) for _ in range(2))
    for logits in (start, end):
        logits[rng.random(len(logits)) < 0.05] += rng.normal(9, 3)
    return start, end


LOGITS = {"tied": tied, "distinct": distinct, "peaked": peaked}


@pytest.mark.parametrize("kind", LOGITS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"top_k": 20},
        {"top_k": 3, "n_best": 3, "max_answer_length": 5},
        {"top_k": 1, "n_best": 1},
        {"top_k": 20, "n_best": 40, "max_answer_length": 1},
        {"top_k": 9, "overlap": True},
        {"top_k": 30, "n_best": 5, "overlap": True},
        {"top_k": 4, "align_to_words": False},
        {"top_k": 4, "slope": 0.25, "intercept": -1.5, "temperature": 3.0},
        {"top_k": 4, "sentence_margin": 2.5},
    ],
    ids=str,
)
def test_equal_to_reference(short: Case, mode: Mode, kind: str, options: dict[str, Any]) -> None:
    if mode == "squad":  # which knows nothing of the others, and lists no more than n_best
        only_global = ("overlap", "align_to_words", "sentence_margin")
        options = {name: value for name, value in options.items() if name not in only_global}
        options["top_k"] = min(options.get("top_k", 1), options.get("n_best", 20))
    assert_equal(short, *LOGITS[kind](short.windows, seed=0), mode, **options)


@pytest.mark.parametrize("name", ["overlap", "align_to_words", "sentence_margin", "temperature", "slope"])
def test_every_option_changes_something(short: Case, name: str) -> None:
    start, end = peaked(short.windows, 2)
    values: dict[str, Any] = {"overlap": True, "align_to_words": False, "sentence_margin": 5.0}
    plain = decode_spans(short.windows, start, end, top_k=9)
    other = decode_spans(short.windows, start, end, top_k=9, **{name: values.get(name, 0.5)})
    assert (plain.start.tolist(), plain.score.tolist()) != (other.start.tolist(), other.score.tolist())


@pytest.mark.parametrize("kind", LOGITS)
@pytest.mark.parametrize("mode", MODES)
def test_long_windows_equal_to_reference(long: Case, mode: Mode, kind: str) -> None:
    assert_equal(long, *LOGITS[kind](long.windows, 1), mode, top_k=5)


@pytest.mark.parametrize("kind", LOGITS)
@pytest.mark.parametrize("mode", MODES)
def test_threshold_equal_to_reference(short: Case, mode: Mode, kind: str) -> None:
    start, end = LOGITS[kind](short.windows, 9)
    options: dict[str, Any] = {"slope": 0.2, "intercept": -1.0}
    plain = decode_spans(short.windows, start, end, mode=mode, **options)
    answered = np.sort(1 - plain.no_answer)
    # Thresholds that decide both ways.
    for threshold in (0.0, *(answered[2:-2:4] + 1e-6), 1.0):
        spans = assert_equal(short, start, end, mode, top_k=3, threshold=float(threshold), **options)
        null = spans.window[spans.indptr[:-1]] == -1
        assert null.sum() == (1 - plain.no_answer.astype(np.float64) < threshold).sum()


# Window length without special and question tokens, stride, tokens of the context.
@pytest.mark.parametrize(
    ("room", "doc_stride", "count"), [(35, 12, 150), (36, 12, 150), (380, 128, 520), (380, 300, 385)]
)
def test_start_belongs_to_the_window_of_maximum_context(room: int, doc_stride: int, count: int) -> None:
    text = " ".join("a" * count)
    windows = Tokenizer(peer.CASED).windows(["b"], [text], max_length=room + 4, doc_stride=doc_stride)
    split = reference.parts(count, room, doc_stride, "advance")
    starts = windows.indptr[:-1] + windows.context_start - windows.context_offset
    for token in range(count):
        logits = np.zeros(len(windows.ids), np.float32)
        for part, start in zip(split, starts, strict=True):
            if token in part:
                logits[start + token] = 1
        spans = decode_spans(windows, logits, logits, mode="squad", n_best=1)
        assert spans.window.tolist() == [reference.max_context(split, token)]
        assert spans.start.tolist() == [2 * token]


def test_null_answer(short: Case) -> None:
    start, end = distinct(short.windows, 10)
    spans = decode_spans(short.windows, start, end, top_k=2, intercept=-99, threshold=0.5)
    first = spans.indptr[:-1]
    for values in (spans.start, spans.end, spans.byte_start, spans.byte_end):
        assert not values[first].any()
    assert (spans.window[first] == -1).all()
    assert (np.diff(spans.indptr) == 2).all()
    np.testing.assert_array_equal(spans.score[first], spans.no_answer)
    np.testing.assert_array_equal(spans.logit[first], spans.null_logit[first])
    # The span behind it is the one that comes first without a threshold.
    plain = decode_spans(short.windows, start, end, intercept=-99)
    np.testing.assert_array_equal(spans.start[first + 1], plain.start)
    np.testing.assert_array_equal(spans.null_logit[first], plain.null_logit)


def test_top_k_changes_no_score(short: Case) -> None:
    start, end = peaked(short.windows, 4)
    one, many = (decode_spans(short.windows, start, end, top_k=top_k) for top_k in (1, 40))
    first = many.indptr[:-1]
    for name in ("start", "end", "score", "logit", "null_logit", "window"):
        np.testing.assert_array_equal(getattr(one, name), getattr(many, name)[first])
    np.testing.assert_array_equal(one.no_answer, many.no_answer)


def test_all_distinct_spans_are_given() -> None:
    data = passages("cased", 12, seed=11, most=4, max_length=20, doc_stride=3)
    start, end = tied(data.windows, 12)
    options: dict[str, Any] = {
        "top_k": 100_000,
        "max_answer_length": 100,
        "overlap": True,
        "align_to_words": False,
    }
    spans = assert_equal(data, start, end, "global", **options)
    counts = np.diff(spans.indptr)
    assert counts.min() >= 1
    assert counts.max() > 20
    pairs = [
        set(zip(spans.start[a:b], spans.end[a:b], strict=True))
        for a, b in zip(spans.indptr, spans.indptr[1:], strict=False)
    ]
    assert [len(found) for found in pairs] == counts.tolist()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seed", range(4))
def test_scores_and_no_answer_sum_to_one(short: Case, mode: Mode, seed: int) -> None:
    start, end = distinct(short.windows, seed)
    options: dict[str, Any] = {"slope": 0.3, "intercept": -2.0, "temperature": 1.0 + seed}
    spans = decode_spans(short.windows, start, end, mode=mode, top_k=20, overlap=True, **options)
    sums = np.add.reduceat(spans.score.astype(np.float64), spans.indptr[:-1])
    np.testing.assert_allclose(sums + spans.no_answer, 1, rtol=1e-5)
    apart = decode_spans(short.windows, start, end, mode=mode, top_k=20, **options)
    np.testing.assert_array_equal(apart.no_answer, spans.no_answer)
    np.testing.assert_array_equal(apart.score[apart.indptr[:-1]], spans.score[spans.indptr[:-1]])
    inside = np.setdiff1d(np.arange(1, len(spans.score)), spans.indptr)
    assert (spans.score[inside] <= spans.score[inside - 1]).all()


def test_no_valid_candidate(short: Case) -> None:
    # The best starts and ends of every window are in the question: run_squad.py finds nothing.
    start, end = distinct(short.windows, 14)
    for logits in (start, end):
        for first in short.windows.indptr[:-1]:
            logits[first : first + 2] += 100
    spans = assert_equal(short, start, end, "squad", n_best=2)
    assert (spans.window == -1).all()
    assert len(spans.window) == len(short.contexts)
    assert (spans.no_answer == 1).all()


@pytest.mark.parametrize("mode", MODES)
def test_padded_equals_ragged(short: Case, mode: Mode) -> None:
    ragged = distinct(short.windows, 15)
    lengths = np.diff(short.windows.indptr)
    inside = np.arange(lengths.max() + 3) < lengths[:, None]
    padded = [np.full(inside.shape, np.nan, np.float32) for _ in ragged]
    for rows, logits in zip(padded, ragged, strict=True):
        rows[inside] = logits
        rows[~inside] = np.resize([np.nan, np.inf, -np.inf, 1e9], (~inside).sum())
    one = decode_spans(short.windows, *ragged, mode=mode, top_k=5)
    other = decode_spans(short.windows, *padded, mode=mode, top_k=5)
    for name in (
        "indptr",
        "start",
        "end",
        "score",
        "logit",
        "null_logit",
        "window",
        "no_answer",
    ):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


# Context; start and end of the predicted tokens; what run_squad.py makes of them.
PROJECTIONS = [
    ("Steve Smith's hat.", "steve smith", "Steve Smith"),
    ("the (New York) team", "new york", "New York"),
    ("the (New York) team", "( new york", "(New York"),
    ("in Malmö, today", "malmo", "Malmö"),
    # Two characters become one, so that the lengths differ: all words stay.
    ("at the cafe\u0301s, today", "cafes", "cafe\u0301s,"),
    ("a soft\u00adware, x", "software", "soft\u00adware,"),
    ("two\n  \t words\u202fhere", "two words here", "two\n  \t words\u202fhere"),
    ("one\u00a0word, x", "one", "one\u00a0word,"),
    ("an emoji😀, x", "[UNK]", "emoji😀,"),
    ("the 東京都, x", "京", "京"),
    ("2016-17 season", "17", "17"),
    # The first of two equal texts in the words is taken, right or wrong.
    ("x (b-b) y", "b ) y", "b) y"),
    ("ab-b y", "b", "b"),
]


@pytest.mark.parametrize(("text", "predicted", "expected"), PROJECTIONS, ids=ascii)
def test_projection(text: str, predicted: str, expected: str) -> None:
    tokenizer = Tokenizer(peer.UNCASED)
    windows = tokenizer.windows(["b"], [text])
    context = windows.contexts[0]
    joined = [" ".join(context.tokens[i:j]).replace(" ##", "") for i, j in spans_of(len(context))]
    first, last = list(spans_of(len(context)))[joined.index(predicted)]
    start, end = np.zeros((2, len(windows.ids)), np.float32)
    start[windows.context_start[0] + first] = end[windows.context_start[0] + last - 1] = 9
    spans = decode_spans(windows, start, end, mode="squad")
    assert text[spans.start[0] : spans.end[0]] == expected


def spans_of(count: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(count) for j in range(i + 1, count + 1)]


def test_no_questions() -> None:
    windows = Tokenizer(peer.CASED).windows([], [])
    nothing = np.zeros(0, np.float32)
    spans = decode_spans(windows, nothing, nothing)
    assert (spans.indptr.tolist(), len(spans.start), len(spans.no_answer)) == ([0], 0, 0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("name", ["start_logits", "end_logits"])
def test_not_finite(short: Case, value: float, mode: Mode, padded: bool, name: str) -> None:
    windows = short.windows
    window, position = 3, 11
    longest = int(np.diff(windows.indptr).max())
    shape = (len(windows), longest) if padded else (len(windows.ids),)
    logits: dict[str, Any] = {key: np.zeros(shape, np.float32) for key in ("start_logits", "end_logits")}
    place = (window, position) if padded else (windows.indptr[window] + position,)
    logits[name][place] = value
    with pytest.raises(ValueError, match=rf"{name}.*window {window}.*position {position}"):
        decode_spans(windows, **logits, mode=mode)


OUT_OF_RANGE: list[tuple[dict[str, Any], str]] = [
    ({"mode": "best"}, "mode.*best.*global.*squad.*hf"),
    ({"mode": "hf", "threshold": 0.5}, "threshold is 0.5.*None in mode hf"),
    ({"top_k": 0}, "top_k"),
    ({"top_k": -1}, "top_k"),
    ({"n_best": 0}, "n_best"),
    ({"n_best": -3}, "n_best"),
    ({"max_answer_length": 0}, "max_answer_length"),
    ({"max_answer_length": -1}, "max_answer_length"),
    ({"mode": "squad", "top_k": 21}, "n_best is 20.*21"),
    ({"threshold": float("nan")}, "threshold is NaN, expected a probability"),
    ({"threshold": 1.5}, "threshold is 1.5"),
    ({"threshold": -0.1}, "threshold is -0.1"),
    ({"slope": -1.0}, "slope is -1, expected a finite number of at least 0"),
    ({"intercept": float("inf")}, "intercept is inf, expected a finite number"),
    ({"temperature": 0.0}, "temperature is 0, expected a finite number greater than 0"),
    ({"sentence_margin": -1.0}, "sentence_margin is -1"),
]


@pytest.mark.parametrize(("options", "message"), OUT_OF_RANGE, ids=str)
def test_refused_options(short: Case, options: dict[str, Any], message: str) -> None:
    logits = np.zeros(len(short.windows.ids), np.float32)
    with pytest.raises(ValueError, match=message):
        decode_spans(short.windows, logits, logits, **options)


@pytest.mark.parametrize("mode", MODES)
def test_a_question_without_windows_has_no_answer(short: Case, mode: Mode) -> None:
    windows = short.windows.select(np.flatnonzero(short.windows.question != 1))
    logits = np.zeros(len(windows.ids), np.float32)
    found = decode_spans(windows, logits, logits, mode=mode)
    assert found.no_answer[1] == 1
    assert found.score[found.indptr[1] : found.indptr[2]].tolist() == [1]


def test_squad_adds_logits_in_double_precision() -> None:
    """As run_squad.py does: in single precision both spans have 1, and the first one would be best."""
    tokenizer = Tokenizer(peer.UNCASED)
    windows = tokenizer.windows(["who?"], ["alpha beta"])
    start, end = np.full((2, len(windows.ids)), -9, np.float32)
    first = windows.context_start[0]
    start[first : first + 2], end[first : first + 2] = 1, (1e-9, 2e-9)
    found = decode_spans(windows, start, end, mode="squad", max_answer_length=1)
    assert found.start.tolist() == [6]


def test_as_many_as_there_are(short: Case) -> None:
    start, end = distinct(short.windows, 5)
    for mode in MODES:
        many: dict[str, Any] = {"top_k": sys.maxsize, "n_best": sys.maxsize, "max_answer_length": sys.maxsize}
        found = decode_spans(short.windows, start, end, mode=mode, **many)
        fewer: dict[str, Any] = dict.fromkeys(many, 10**6)
        other = decode_spans(short.windows, start, end, mode=mode, **fewer)
        np.testing.assert_array_equal(found.start, other.start)


def test_refused_logits(short: Case) -> None:
    count, total = len(short.windows), len(short.windows.ids)
    longest = int(np.diff(short.windows.indptr).max())
    good = np.zeros(total, np.float32)
    refused: list[tuple[Any, type[Exception] | tuple[type[Exception], ...], str]] = [
        (np.zeros(total - 1, np.float32), ValueError, str(total)),
        (np.zeros(total + 1, np.float32), ValueError, str(total)),
        (np.zeros((count, longest - 1), np.float32), ValueError, "shape"),
        (np.zeros((count - 1, longest), np.float32), ValueError, "shape"),
        (np.zeros((total, 1), np.float32), ValueError, "shape"),
        (np.zeros((1, count, longest), np.float32), (ValueError, TypeError), "expected"),
        (np.float32(0), TypeError, "expected"),
        (np.zeros(2 * total, np.float32)[::2], ValueError, "contiguous"),
        (np.zeros((longest, count), np.float32).T, ValueError, "contiguous"),
        (np.zeros(total), TypeError, "float32"),
        (np.zeros(total, np.float16), TypeError, "float32"),
        (np.zeros(total, np.int32), TypeError, "float32"),
        (good.astype(">f4"), TypeError, "expected"),
        ([0.0] * total, TypeError, "expected"),
        (None, TypeError, "expected"),
    ]
    for logits, kind, message in refused:
        for arguments in ((logits, good), (good, logits)):
            with pytest.raises(kind, match=message):
                decode_spans(short.windows, *arguments)
    with pytest.raises(ValueError, match="shape"):
        decode_spans(short.windows, good, np.zeros((count, longest), np.float32))
