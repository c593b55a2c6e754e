"""What a search reads when, what it tokenizes how often, and what it keeps."""

import random
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import toy_model
from spanjet import Reader, RuntimeConfig, WindowConfig
from spanjet.model import Model
from spanjet.reader.search import Search
from spanjet.runtime.engine import Runtime

TEXT = "The engineer built a tower in Paris, near the river."
WINDOWS = WindowConfig(max_length=48, doc_stride=16)


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
        early.update({str(name) for name in live} & {f"id {index}" for index in range(chunk)})

    results = Search(reader._pipeline, questions, top_k=top_k, chunk_pairs=chunk).run(passages(), None)
    assert results[0].passages == 1500
    # Three chunks at most hold passages at a time: one is decoded, one is inferred, one is read.
    assert most <= 2 * (3 * chunk // len(questions) + top_k * len(questions) + 3)
    kept = {each.passage_id for result in results for each in result}
    assert set(live) == kept
    assert early <= kept


def test_reads_ahead_of_inference_a_bounded_way_and_never_lets_it_wait(
    toy: Model, exact: RuntimeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Reader(toy, window_config=WINDOWS, runtime_config=exact)
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
    toy: Model, exact: RuntimeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small search has the latency of a single question."""
    hints: list[str] = []
    run = Runtime.run

    def spying(self: Any, batches: Any, *, hint: str) -> Any:
        hints.append(hint)
        return run(self, batches, hint=hint)  # type: ignore[arg-type]

    reader = Reader(toy, window_config=WINDOWS, runtime_config=replace(exact, batch_tokens=1024))
    monkeypatch.setattr(Runtime, "run", spying)
    reader.search("who?", [TEXT] * 5)
    reader.search("who?", [TEXT] * 700)
    assert hints == ["LATENCY", "THROUGHPUT"]
