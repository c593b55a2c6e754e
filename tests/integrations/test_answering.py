"""Answering for other frameworks: against `Reader.ask` and `Reader.search`, and what is refused."""

import asyncio
import random
from typing import Any

import pytest
import toy_model
from spanjet import DecodeConfig, PassageAnswer, Reader, RuntimeConfig, WindowConfig
from spanjet.config import Threshold
from spanjet.integrations._answering import (
    answer_pairs,
    checked_threshold,
    find_passages,
    find_passages_async,
)
from spanjet.integrations._lazy_reader import LazyReader
from spanjet.model import Model

BLANK = ("", "   ", "\n\t", "\u200b\u00ad")


@pytest.fixture(scope="module")
def lazy(reader: Reader) -> LazyReader:
    return LazyReader(reader)


def texts(generator: random.Random, count: int) -> list[str]:
    """Texts of which some are blank, some occur twice, and some answer nothing."""
    found = [toy_model.random_text(generator, generator.randint(3, 40)) for _ in range(count)]
    found += [f"{toy_model.UNANSWERABLE} {text}" for text in found[::3]]
    found += [*BLANK, *generator.choices(found, k=2)]
    generator.shuffle(found)
    return found


def expected(reader: Reader, question: str, passages: list[str], threshold: Threshold) -> list[PassageAnswer]:
    """The best answer of each passage that has one, by searching passage after passage."""
    found = []
    for index, passage in enumerate(passages):
        if passage in BLANK or reader.ask(question, passage, threshold=threshold).is_null:
            continue
        answer = reader.search(question, [passage], top_k=1, threshold=None)[0]
        values = {name: getattr(answer, name) for name in PassageAnswer.__dataclass_fields__}
        found.append(PassageAnswer(**{**values, "passage": index}))
    return sorted(found, key=lambda answer: -answer.margin)


@pytest.mark.parametrize("seed", range(12))
def test_passages_have_the_answers_of_a_search(reader: Reader, lazy: LazyReader, seed: int) -> None:
    generator = random.Random(seed)
    passages = texts(generator, 10)
    question = toy_model.random_text(generator, 4)
    threshold: Threshold = generator.choice([None, 0.5, 0.9999, "reader", "model"])
    whole = expected(reader, question, passages, threshold)
    options: dict[str, Any] = {"threshold": threshold, "name": "passages"}
    for top_k in (None, 1, 3):
        found = find_passages(lazy, question, passages, top_k=top_k, **options)
        assert found == whole[:top_k]
        assert asyncio.run(find_passages_async(lazy, question, passages, top_k=top_k, **options)) == found
    assert whole
    asked = len(passages) - len(BLANK)
    assert len(whole) < asked if isinstance(threshold, float) else len(whole) == asked


def test_concurrent_calls_are_independent(lazy: LazyReader) -> None:
    generator = random.Random(5)
    calls = [(toy_model.random_text(generator, 4), texts(generator, 4)) for _ in range(12)]
    options: dict[str, Any] = {"top_k": 2, "threshold": "reader", "name": "passages"}

    async def ask_all() -> list[list[PassageAnswer]]:
        return await asyncio.gather(*(find_passages_async(lazy, *call, **options) for call in calls))

    assert asyncio.run(ask_all()) == [find_passages(lazy, *call, **options) for call in calls]


def found_by(lazy: LazyReader, how: str, question: Any, passages: Any, **options: Any) -> Any:
    options = {"top_k": None, "threshold": "reader", "name": "documents", **options}
    if how == "sync":
        return find_passages(lazy, question, passages, **options)
    return asyncio.run(find_passages_async(lazy, question, passages, **options))


@pytest.mark.parametrize("how", ["sync", "async"])
@pytest.mark.parametrize(
    ("question", "passages", "kind", "message"),
    [
        ("  ", ["text"], ValueError, "question is empty"),
        (None, ["text"], TypeError, "question: expected str, found NoneType"),
        ("who?", ["paris", "", "a \ud800 b"], ValueError, r"documents\[2\]: .*surrogate"),
        ("who?", ["paris", 7], TypeError, r"documents\[1\]: text: expected str, found int"),
        ("who?", ["paris", ["x"]], TypeError, r"documents\[1\]: text: expected str, found list"),
    ],
)
def test_bad_input_is_located(
    lazy: LazyReader, how: str, question: Any, passages: Any, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        found_by(lazy, how, question, passages)


@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_wrong_threshold_is_refused_even_without_passages(lazy: LazyReader, how: str) -> None:
    with pytest.raises(ValueError, match="threshold is 2"):
        found_by(lazy, how, "who?", [], threshold=2)


@pytest.mark.parametrize("how", ["sync", "async"])
def test_scores_that_do_not_compare_passages_are_refused(reader: Reader, how: str) -> None:
    transformers = LazyReader(reader.with_config(decode_config=DecodeConfig(mode="hf")))
    with pytest.raises(ValueError, match="mode 'hf'"):
        found_by(transformers, how, "who?", ["paris"])


def test_pairs_are_answered_in_order(reader: Reader) -> None:
    generator = random.Random(3)
    contexts = texts(generator, 8)
    pairs: list[tuple[str | None, str | None]] = [
        (generator.choice([*BLANK, None, "who built it?", "when?"]), context) for context in contexts
    ]
    pairs += [("who?", None), (None, None)]  # as in rows with holes
    answers = answer_pairs(reader, pairs, threshold="reader", name="questions")
    for (question, context), answer in zip(pairs, answers, strict=True):
        if question is None or context is None or question in BLANK or context in BLANK:
            assert answer is None
        else:
            assert answer == reader.ask(question, context)
    assert any(answer is not None for answer in answers)


def test_no_pairs_have_no_answers(reader: Reader) -> None:
    assert answer_pairs(reader, [], threshold=None, name="questions") == []


def test_what_fails_in_windows_has_its_own_index(toy: Model, exact: RuntimeConfig) -> None:
    """Blank pairs, which are not asked, count in the index of a question that has no room in a window."""
    config = WindowConfig(max_length=16, doc_stride=4, max_question_length=None)
    reader = Reader(toy, window_config=config, runtime_config=exact)
    pairs = [("who?", ""), ("who?", "paris"), ("who " * 20, "paris")]
    with pytest.raises(ValueError, match=r"^questions\[2\]: question .*tokens"):
        answer_pairs(reader, pairs, threshold=None, name="questions")


@pytest.mark.parametrize("threshold", ["model", "reader", 0, 0.5, 1, None])
def test_thresholds(threshold: Any) -> None:
    assert checked_threshold(threshold) == threshold


@pytest.mark.parametrize(("threshold", "kind"), [("best", TypeError), (2, ValueError), (True, TypeError)])
def test_wrong_thresholds(threshold: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=r"threshold is .*expected 'model', 'reader', a probability, 0 to 1"):
        checked_threshold(threshold)
