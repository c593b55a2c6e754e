"""Search over passages: equal to asking each alone, in bounded memory."""

import itertools
import math
import random
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
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
from spanjet.checkpoint import LoadedModel
from spanjet.evaluate import load_squad
from spanjet.runtime import Runtime
from spanjet.search import Search

TEXT = "The engineer built a tower in Paris, near the river."
WINDOWS = WindowConfig(max_length=48, doc_stride=16)


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
    found.sort(key=lambda each: (-each[1].score, each[0]))  # which keeps the order within a passage
    return found[:top_k], no_answer


def places(result: SearchResult) -> list[tuple[int, Answer]]:
    """Positions and answers, without what only searches know."""
    names = Answer.__dataclass_fields__
    return [(each.passage, Answer(*(getattr(each, name) for name in names))) for each in result]


@pytest.mark.parametrize("chunk_pairs", [1, 2, 7, 512])
@pytest.mark.parametrize("top_k", [1, 3, 40])
def test_equals_asking_each_passage(reader: Reader, chunk_pairs: int, top_k: int) -> None:
    generator = random.Random(chunk_pairs * 100 + top_k)
    passages = random_passages(30, seed=generator.randrange(100))
    questions = [toy_model.random_text(generator, 3) for _ in range(3)]
    questions[1] = f"{toy_model.UNANSWERABLE} {questions[1]}"
    search = Search(reader._pipeline, questions, top_k=top_k, chunk_pairs=chunk_pairs)
    results = search.run(iter(passages), None)
    assert results == reader.search(questions, passages, top_k=top_k, threshold=None)
    for question, result in zip(questions, results, strict=True):
        expected, no_answer = asked_alone(reader, question, passages, top_k)
        assert places(result) == expected
        assert len(result) == top_k
        assert (result.no_answer, result.passages) == (no_answer, len(passages))
        assert result == reader.search(question, passages, top_k=top_k, threshold=None)


@pytest.mark.parametrize("chunk_tokens", [1, 50, 10_000])
def test_chunks_are_of_so_many_tokens(reader: Reader, chunk_tokens: int) -> None:
    passages = random_passages(30, seed=2)
    chunks: list[int] = []
    pipeline = reader._pipeline

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(pipeline, name)

        def windows(self, questions: list[str], contexts: list[Any], **options: bool) -> Any:
            chunks.append(sum(len(context) for context in contexts))
            return pipeline.windows(questions, contexts, **options)

    search = Search(Counting(), ["who?", "when?"], top_k=3, chunk_tokens=chunk_tokens)  # type: ignore[arg-type]
    del chunks[:]  # the questions'
    expected = reader.search(["who?", "when?"], passages, top_k=3)
    assert search.run(passages, None) == expected
    longest = max(len(reader.prepare(text)) for text in passages)
    assert max(chunks) < chunk_tokens + longest
    assert min(chunks[:-1], default=chunk_tokens) >= chunk_tokens
    assert sum(chunks) == 2 * sum(len(reader.prepare(text)) for text in passages)


def test_threshold(reader: Reader) -> None:
    unanswerable = f"{toy_model.UNANSWERABLE} who?"
    passages = [TEXT, "the king"]
    for threshold in (0.0, 1e-9, 0.5, 1.0, None):
        found = reader.search(unanswerable, passages, threshold=threshold)
        empty = threshold is not None and 1 - found.no_answer < threshold
        assert (len(found) == 0) == empty
        assert (found.no_answer, found.passages) == (
            reader.search(unanswerable, passages, threshold=None).no_answer,
            2,
        )


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
    reader = Reader(runtime=RuntimeConfig(cache_dir=None, batch_tokens=400))
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


def test_squad_mode_without_spans(toy: LoadedModel, exact: RuntimeConfig) -> None:
    """A passage without a span contributes its probability only."""
    reader = Reader(toy, windows=WINDOWS, runtime=exact, decode=DecodeConfig(mode="squad", n_best=1))
    # The question's own tokens take part in what is best.
    rows = {word: toy_model.VOCABULARY.index(word) for word in toy_model.WORDS}
    question = min(rows, key=lambda word: max(toy_model.START[rows[word]], toy_model.END[rows[word]]))
    texts = [f"{first} {second}" for first in toy_model.WORDS for second in toy_model.WORDS]
    alone = [reader.ask(question, text) for text in texts]
    assert 0 < sum(answer.is_null for answer in alone) < len(alone)
    found = reader.search(question, texts, top_k=1, threshold=None)
    assert not found[0].is_null
    assert found.no_answer == pytest.approx(math.prod(answer.no_answer for answer in alone))


@pytest.mark.parametrize("chunk_pairs", [1, 100])
def test_a_passage_whose_logits_are_no_numbers(
    toy: LoadedModel, exact: RuntimeConfig, monkeypatch: pytest.MonkeyPatch, chunk_pairs: int
) -> None:
    table = toy_model.END.copy()
    table[toy_model.VOCABULARY.index("king")] = np.nan
    monkeypatch.setattr(toy_model, "END", table)
    reader = Reader(replace(toy, model=toy_model.build()), windows=WINDOWS, runtime=exact)
    search = Search(reader._pipeline, ["who?"], top_k=1, chunk_pairs=chunk_pairs)
    with pytest.raises(ValueError, match=r"^passages\[2\]: end_logits"):
        search.run(["paris", "", "the king", "queen"], None)


def test_the_source_s_own_error(reader: Reader) -> None:
    def passages() -> Iterator[str]:
        yield from [TEXT] * 600
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        reader.search("who?", passages())
    assert reader.ask("who?", TEXT)


def count_encodes(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often texts are tokenized from now on; passages are never given to `windows` as texts."""
    texts: Counter[str] = Counter()
    tokenizer = reader.tokenizer

    class Counting:
        def encode(self, text: str) -> Any:
            texts[text] += 1
            return tokenizer.encode(text)

        def windows(self, questions: Any, contexts: Any, **options: Any) -> Any:
            assert not any(isinstance(context, str) for context in contexts if context not in questions)
            return tokenizer.windows(questions, contexts, **options)

    monkeypatch.setattr(reader._pipeline, "tokenizer", Counting())
    return texts


def test_texts_are_tokenized_once_a_call_and_documents_never(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions = [f"who {index}?" for index in range(20)]
    documents = [reader.prepare(f"{TEXT} {index}") for index in range(30)]
    texts = [f"paris {index}" for index in range(30)]
    counts = count_encodes(reader, monkeypatch)
    Search(reader._pipeline, questions, top_k=2, chunk_pairs=7).run([*documents, *texts], None)
    for question in questions:
        del counts[question]
    assert counts == dict.fromkeys(texts, 1)


class Text(str):
    """A text whose life can be watched."""

    __slots__ = ("__weakref__",)


def test_memory_is_bounded(reader: Reader) -> None:
    """Passages that are not among the best are freed, and none is read long before its inference."""
    chunk, top_k, questions = 20, 4, ["who?", "when?"]
    live: weakref.WeakSet[Text] = weakref.WeakSet()
    most = 0
    early: set[str] = set()

    def passages() -> Iterator[tuple[Text, Text]]:
        nonlocal most
        generator = random.Random(1)
        for index in range(1500):
            text, name = Text(f"{toy_model.random_text(generator, 3)} {index}"), Text(f"id {index}")
            live.update((text, name))
            most = max(most, len(live))
            yield name, text
        early.update(
            str(text) for text in live if text.endswith(tuple(f" {index}" for index in range(chunk)))
        )

    results = Search(reader._pipeline, questions, top_k=top_k, chunk_pairs=chunk).run(passages(), None)
    assert results[0].passages == 1500
    # Three chunks at most hold passages at a time: one is decoded, one is inferred, one is read.
    assert most <= 2 * (3 * chunk // len(questions) + top_k * len(questions) + 3)
    kept = {each.passage_text for result in results for each in result}
    assert {text for text in live if not text.startswith("id")} == kept
    assert {text for text in early if not text.startswith("id")} <= kept


def test_reads_ahead_of_inference_a_bounded_way_and_never_lets_it_wait(
    toy: LoadedModel, exact: RuntimeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Reader(toy, windows=WINDOWS, runtime=exact)
    pending, inferred = 0, 0
    under_way: list[int] = []
    ahead: list[int] = []
    run: Callable[..., Iterator[Any]] = Runtime.run

    def counting(self: Any, batches: Any, **options: Any) -> Iterator[Any]:
        def given() -> Iterator[Any]:
            nonlocal pending
            for batch in batches:
                pending += batch is not None
                yield batch

        def taken() -> Iterator[Any]:
            nonlocal pending, inferred
            for logits in run(self, given(), **options):
                pending -= 1
                inferred += len(logits.start)
                yield logits

        return taken()

    monkeypatch.setattr(Runtime, "run", counting)

    def passages() -> Iterator[str]:
        for index in range(600):
            under_way.append(pending)
            ahead.append(index - inferred)
            yield f"{TEXT} {index}"

    result = Search(reader._pipeline, ["who?"], top_k=1, chunk_pairs=50).run(passages(), None)[0]
    assert result.passages == inferred == 600
    assert set(under_way[:50]) == {0}
    assert min(under_way[51:]) > 0
    assert max(ahead) <= 100


def test_few_passages_are_one_batch(
    toy: LoadedModel, exact: RuntimeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small search has the latency of a single question."""
    hints: list[str] = []
    run = Runtime.run

    def spying(self: Any, batches: Any, *, hint: str) -> Any:
        hints.append(hint)
        return run(self, batches, hint=hint)  # type: ignore[arg-type]

    reader = Reader(toy, windows=WINDOWS, runtime=replace(exact, batch_tokens=1024))
    monkeypatch.setattr(Runtime, "run", spying)
    reader.search("who?", [TEXT] * 5)
    reader.search("who?", [TEXT] * 700)
    assert hints == ["LATENCY", "THROUGHPUT"]
