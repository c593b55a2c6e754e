"""Search over passages: equal to asking each alone, in bounded memory."""

import itertools
import math
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_model
from spanjet import (
    Answer,
    DecodeConfig,
    Reader,
    RuntimeConfig,
    SearchResult,
    WindowConfig,
)
from spanjet.evaluate import load_squad
from spanjet.model import Model
from spanjet.reader.search import Search
from spanjet.reader.warnings import QuestionCut

TEXT = "The engineer built a tower in Paris, near the river."
WINDOWS = WindowConfig(max_length=48, doc_stride=16)


@pytest.fixture(scope="module")
def calibrated(toy: Model, exact: RuntimeConfig) -> Reader:
    """A reader of the toy model whose probabilities are neither all near 0 nor all near 1."""
    card = {"calibration": {"slope": 0.5, "intercept": -12.0, "temperature": 2.0, "threshold": 0.99}}
    return Reader(replace(toy, card=card), window_config=WINDOWS, runtime_config=exact)


def random_passages(count: int, seed: int) -> list[str]:
    """Of no word to several windows; some occur twice."""
    generator = random.Random(seed)
    texts = [toy_model.random_text(generator, generator.choice([1, 2, 5, 20, 90])) for _ in range(count)]
    texts += generator.choices([*texts, "", " \n", "\u200b"], k=count // 2)
    generator.shuffle(texts)
    return texts


def asked_alone(
    reader: Reader, question: str, passages: list[str], top_k: int
) -> tuple[list[tuple[int, Answer]], float]:
    """The slow way: each passage alone, everything sorted; and the probability of no answer."""
    found: list[tuple[int, Answer]] = []
    no_answer = 1.0
    for position, text in enumerate(passages):
        if not len(reader.prepare(text)):
            continue
        answers = reader.ask_many([question], [text], top_k=top_k, threshold=None)[0]
        no_answer *= answers[0].no_answer
        found += [(position, answer) for answer in answers]
    # Without a sentence margin a passage's own order is that of its margins.
    found.sort(key=lambda each: (-(each[1].logit - each[1].null_logit), each[0]))
    return found[:top_k], no_answer


def places(result: SearchResult) -> list[tuple[int, Answer]]:
    """Positions and answers, without what only searches know."""
    names = Answer.__dataclass_fields__
    return [(each.passage, Answer(*(getattr(each, name) for name in names))) for each in result]


@pytest.mark.parametrize("chunk_pairs", [1, 2, 7, 512])
@pytest.mark.parametrize("top_k", [1, 3, 40])
def test_equals_asking_each_passage(calibrated: Reader, chunk_pairs: int, top_k: int) -> None:
    generator = random.Random(chunk_pairs * 100 + top_k)
    passages = random_passages(30, seed=generator.randrange(100))
    questions = [toy_model.random_text(generator, 3) for _ in range(3)]
    questions[1] = f"{toy_model.UNANSWERABLE} {questions[1]}"
    search = Search(calibrated._pipeline, questions, top_k=top_k, chunk_pairs=chunk_pairs)
    results = search.run(iter(passages), None)
    assert results == calibrated.search(questions, passages, top_k=top_k, threshold=None)
    for question, result in zip(questions, results, strict=True):
        expected, no_answer = asked_alone(calibrated, question, passages, top_k)
        assert places(result) == expected
        assert len(result) == top_k
        assert (result.no_answer, result.passages) == (no_answer, len(passages))
        assert result == calibrated.search(question, passages, top_k=top_k, threshold=None)


@pytest.mark.parametrize("chunk_tokens", [1, 50, 10_000])
def test_chunks_are_of_so_many_tokens(reader: Reader, chunk_tokens: int) -> None:
    passages = random_passages(30, seed=2)
    chunks: list[int] = []
    pipeline = reader._pipeline

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(pipeline, name)

        def prepared(self, questions: list[str], contexts: list[Any], **options: bool) -> Any:
            chunks.append(sum(len(context) for context in contexts))
            return pipeline.prepared(questions, contexts, **options)

    search = Search(Counting(), ["who?", "when?"], top_k=3, chunk_tokens=chunk_tokens)  # type: ignore[arg-type]
    expected = reader.search(["who?", "when?"], passages, top_k=3)
    assert search.run(passages, None) == expected
    longest = max(len(reader.prepare(text)) for text in passages)
    assert max(chunks) < chunk_tokens + longest
    assert min(chunks[:-1], default=chunk_tokens) >= chunk_tokens
    assert sum(chunks) == 2 * sum(len(reader.prepare(text)) for text in passages)


def test_threshold(calibrated: Reader) -> None:
    """An answer stays where its margin makes it likely enough, and "reader" is the default."""
    passages = random_passages(12, seed=4)
    found = calibrated.search("who?", passages, top_k=40, threshold=None)
    slope, intercept = calibrated.calibration.slope, calibrated.calibration.intercept
    likely = [1 / (1 + math.exp(-(slope * each.margin + intercept))) for each in found]
    assert likely == sorted(likely, reverse=True)
    last = next(place for place in range(8, 30) if likely[place] > likely[place + 1] + 1e-6)
    middle = (likely[last] + likely[last + 1]) / 2
    some = calibrated.search("who?", passages, top_k=40, threshold=middle)
    assert (some.answers, some.no_answer, some.passages) == (
        found.answers[: last + 1],
        found.no_answer,
        found.passages,
    )
    assert calibrated.search("who?", passages, top_k=40, threshold=0.0) == found
    assert not calibrated.search("who?", passages, threshold=1.0)
    own = Reader(
        calibrated.model, threshold=middle, window_config=WINDOWS, runtime_config=calibrated.runtime_config
    )
    assert own.search("who?", passages, top_k=40) == some
    assert own.search("who?", passages, top_k=40, threshold="reader") == some
    card = calibrated.search("who?", passages, top_k=40, threshold=0.99)
    assert own.search("who?", passages, top_k=40, threshold="model") == card


def test_a_passage_alone_is_found_where_ask_answers(calibrated: Reader) -> None:
    """To the last bit of the threshold."""
    for text in random_passages(30, seed=6):
        if not len(calibrated.prepare(text)):
            continue
        exact = 1 - calibrated.ask("who?", text, threshold=None).no_answer
        for threshold in (exact, math.nextafter(exact, 0), min(1.0, math.nextafter(exact, 1))):
            found = calibrated.search("who?", [text], threshold=threshold)
            assert bool(found) == (not calibrated.ask("who?", text, threshold=threshold).is_null)


@pytest.mark.parametrize(("threshold", "error"), [(1.5, ValueError), ("often", ValueError), (b"", TypeError)])
def test_bad_threshold(reader: Reader, threshold: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="threshold is "):
        reader.search("who?", [TEXT], threshold=threshold)


def test_scores_and_no_answer(calibrated: Reader) -> None:
    """Each answer has its own passage's no_answer; the result's is their product."""
    passages = random_passages(20, seed=9)
    found = calibrated.search("who?", passages, top_k=1000, threshold=None)
    alone = {each.passage: each.no_answer for each in found}
    assert found.no_answer == pytest.approx(math.prod(alone.values()))
    totals: Counter[int] = Counter()
    for each in found:
        totals[each.passage] += each.score  # type: ignore[assignment]
    for passage, total in totals.items():
        assert total + alone[passage] <= 1 + 1e-5


def test_a_sentence_margin_keeps_a_passages_own_order(toy: Model, exact: RuntimeConfig) -> None:
    model = replace(toy, card={"calibration": {"sentence_margin": 60.0}})
    decode = DecodeConfig(overlap=True, n_best=2000)
    reader = Reader(model, window_config=WINDOWS, decode_config=decode, runtime_config=exact)
    generator = random.Random(8)
    parts = [[toy_model.random_text(generator, 5) for _ in range(3)] for _ in range(6)]
    texts = [f"{first}. It was {second}! It is {third}." for first, second, third in parts]
    found = reader.search("who?", texts, top_k=2000)
    own = [[(each.start, each.end) for each in found if each.passage == place] for place in range(len(texts))]
    alone = [reader.ask_many(["who?"], [text], top_k=2000)[0] for text in texts]
    for mine, answers in zip(own, alone, strict=True):
        assert mine == [(each.start, each.end) for each in answers][: len(mine)]
    # One that reaches over a sentence comes after those that do not, whatever its margin.
    margins = [each.margin for each in found]
    assert margins != sorted(margins, reverse=True)


def test_no_passages_and_blank_ones(reader: Reader) -> None:
    assert reader.search("who?", []) == SearchResult((), 1.0, 0)
    blank: list[Any] = ["", " \n", ("id", "\u200b"), reader.prepare("")]
    assert reader.search("who?", iter(blank)) == SearchResult((), 1.0, 4)
    assert reader.search(["who?", "when?"], []) == [SearchResult((), 1.0, 0)] * 2
    with_blanks = reader.search("who?", ["", TEXT, " "])
    without = reader.search("who?", [TEXT])
    assert [replace(each, passage=0) for each in with_blanks] == list(without)
    assert with_blanks.no_answer == without.no_answer


def test_the_bundled_model(data: Path) -> None:
    """In batches of other questions and passages, by other streams, the spans are the same."""
    reader = Reader(runtime_config=RuntimeConfig(cache_dir=None, batch_tokens=400))
    entries = load_squad(data / "squad" / "v1.1.json").questions[:6]
    questions = [entry.question for entry in entries[:3]]
    passages = list(dict.fromkeys(entry.context for entry in entries))
    passages.append(" ".join(passages))
    for question, result in zip(questions, reader.search(questions, passages, threshold=None), strict=True):
        expected, no_answer = asked_alone(reader, question, passages, 5)
        assert places(result) == expected
        assert result.no_answer == no_answer


def test_no_questions(reader: Reader) -> None:
    assert reader.search([], itertools.repeat(TEXT)) == []


def test_squad_mode_without_spans(toy: Model, exact: RuntimeConfig) -> None:
    """A passage without a span contributes its probability only, however great that is."""
    reader = Reader(
        toy, window_config=WINDOWS, runtime_config=exact, decode_config=DecodeConfig(mode="squad", n_best=1)
    )
    # The question's own tokens take part in what is best.
    rows = {word: toy_model.VOCABULARY.index(word) for word in toy_model.WORDS}
    word = min(rows, key=lambda word: max(toy_model.START[rows[word]], toy_model.END[rows[word]]))
    question = f"{word} {word}"
    texts = [f"{first} {second}" for first in toy_model.WORDS for second in toy_model.WORDS]
    alone = [reader.ask(question, text) for text in texts]
    without = [text for text, answer in zip(texts, alone, strict=True) if answer.is_null]
    assert 0 < len(without) < len(texts)
    (found,) = result = reader.search(question, texts, top_k=1, threshold=None)
    assert not found.is_null
    assert result.no_answer == pytest.approx(math.prod(answer.no_answer for answer in alone))
    nothing = reader.search(question, without, threshold=None, top_k=1)
    assert len(nothing) == 0
    assert nothing.no_answer == math.prod(answer.no_answer for answer in alone if answer.is_null)


def test_a_long_question_without_blanks_is_named_by_its_beginning(toy: Model, exact: RuntimeConfig) -> None:
    windows = WindowConfig(max_length=48, doc_stride=16, max_question_length=5)
    reader = Reader(toy, window_config=windows, runtime_config=exact)
    with pytest.warns(QuestionCut, match=f"^the question '{'漢' * 59}…' has 100 tokens"):
        reader.ask("漢" * 100, TEXT)


def test_a_question_that_is_cut_is_warned_of_once(toy: Model, exact: RuntimeConfig) -> None:
    windows = WindowConfig(max_length=48, doc_stride=16, max_question_length=5)
    reader = Reader(toy, window_config=windows, runtime_config=exact)
    with pytest.warns(QuestionCut, match="'who who who who who who' has 6 tokens and is cut to 5") as caught:
        found = Search(reader._pipeline, ["who?", "who " * 5 + "who"], top_k=1, chunk_pairs=2).run(
            [TEXT] * 9, None
        )
    assert len(caught) == 1
    assert [len(each) for each in found] == [1, 1]


@pytest.mark.parametrize("chunk_pairs", [1, 100])
def test_a_passage_whose_logits_are_no_numbers(
    toy: Model, exact: RuntimeConfig, monkeypatch: pytest.MonkeyPatch, chunk_pairs: int
) -> None:
    table = toy_model.END.copy()
    table[toy_model.VOCABULARY.index("king")] = np.nan
    monkeypatch.setattr(toy_model, "END", table)
    reader = Reader(replace(toy, model=toy_model.build()), window_config=WINDOWS, runtime_config=exact)
    search = Search(reader._pipeline, ["who?"], top_k=1, chunk_pairs=chunk_pairs)
    with pytest.raises(ValueError, match=r"^passages\[2\]: end_logits"):
        search.run(["paris", "", "the king", "queen"], None)


def test_the_source_s_own_error(reader: Reader) -> None:
    def passages() -> Iterator[str]:
        yield from [TEXT] * 1500
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        reader.search("who?", passages())
    assert reader.ask("who?", TEXT)
