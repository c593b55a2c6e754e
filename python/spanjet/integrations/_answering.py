"""Answer the questions of other frameworks, whose texts may be missing or blank."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from spanjet.config import Threshold
from spanjet.integrations._lazy_reader import LazyReader
from spanjet.reader.answer import Answer, Document, Failure
from spanjet.reader.errors import reworded
from spanjet.reader.passages import PassageAnswer
from spanjet.reader.reader import Reader
from spanjet.validation import check_threshold, check_type

__all__ = ["answer_pairs", "checked_threshold", "find_passages", "find_passages_async"]

_Asked = Mapping[int, tuple[str, Document]]
"""Pairs that can be asked, by their index in the caller's list."""


def checked_threshold(value: Threshold) -> Threshold:
    """Check that a threshold is one of `Reader.ask`, and return it.

    Raises:
        TypeError: it has the wrong type.
        ValueError: it is not a probability, ``"model"``, ``"reader"`` or None.
    """
    if value not in ("model", "reader"):
        check_threshold("threshold", value, "'model', 'reader', ")
    return value


def answer_pairs(
    reader: Reader, pairs: Iterable[tuple[str | None, str | None]], *, threshold: Threshold, name: str
) -> list[Answer | None]:
    """Answer pairs of question and context, of which any may be missing or blank.

    Args:
        reader: reader that answers.
        pairs: questions with their contexts; a context that repeats is tokenized once.
        threshold: as for `Reader.ask`.
        name: name of the pairs in the caller's terms, for messages.

    Returns:
        The best answer to each pair, or the null answer; None for a pair without a question or a context.

    Raises:
        ValueError, TypeError: a pair cannot be answered; the message begins with ``name[index]``.
    """
    pairs = list(pairs)
    asked = _prepare(reader, pairs, name)
    answers = dict(zip(asked, _ask(reader, asked, threshold, name), strict=True))
    return [answers.get(index) for index in range(len(pairs))]


def find_passages(
    lazy: LazyReader,
    question: str,
    passages: Sequence[str],
    *,
    top_k: int | None,
    threshold: Threshold,
    name: str,
) -> list[PassageAnswer]:
    """Find the passages that answer a question, each with its best answer.

    `Reader.search` finds the best answers instead, of which several may be from one passage.

    Args:
        lazy: reader that answers.
        question: the question.
        passages: texts; blank ones have no answer.
        top_k: maximum number of passages; None: all that answer the question.
        threshold: as for `Reader.ask`; a passage is left out if its best answer is the null answer.
        name: name of the passages in the caller's terms, for messages.

    Returns:
        The best answer of each passage, by ``margin``, best first; ties are in the order of the passages.

    Raises:
        OSError: the model cannot be read.
        ValueError: the question has no tokens, or a passage cannot be read; the message begins with
            ``question`` or ``name[index]``.
        TypeError: the question or a passage is not a text, likewise.
    """
    asked = _prepare_passages(lazy, question, passages, threshold, name)
    answers = _ask(lazy.reader, asked, threshold, name)
    return _best(asked, answers, top_k)


async def find_passages_async(
    lazy: LazyReader,
    question: str,
    passages: Sequence[str],
    *,
    top_k: int | None,
    threshold: Threshold,
    name: str,
) -> list[PassageAnswer]:
    """Find passages as `find_passages` does, without blocking the event loop.

    The model is loaded and texts are tokenized in a thread; questions of concurrent calls share batches.
    """

    async def ask(index: int, document: Document) -> Answer:
        try:
            return await lazy.reader.ask_async(question, document, threshold=threshold)
        except (ValueError, TypeError) as error:
            raise reworded(error, f"{name}[{index}]: {error}") from None

    asked = await asyncio.to_thread(_prepare_passages, lazy, question, passages, threshold, name)
    answers = await asyncio.gather(*(ask(index, document) for index, (_, document) in asked.items()))
    return _best(asked, answers, top_k)


def _prepare_passages(
    lazy: LazyReader, question: str, passages: Sequence[str], threshold: Threshold, name: str
) -> _Asked:
    # A search of nothing checks the question and the threshold, and warns if scores are no probabilities.
    lazy.reader.search(check_type("question", question, str), [], threshold=threshold)
    return _prepare(lazy.reader, [(question, passage) for passage in passages], name)


def _prepare(reader: Reader, pairs: Sequence[tuple[str | None, str | None]], name: str) -> _Asked:
    """Tokenize the contexts, and leave out pairs without a question or a context."""
    asked: dict[int, tuple[str, Document]] = {}
    documents: dict[str, Document] = {}

    def document(text: str, index: int) -> Document:
        try:
            known = documents.get(check_type("text", text, str))
            return documents.setdefault(text, reader.prepare(text)) if known is None else known
        except (ValueError, TypeError) as error:
            raise reworded(error, f"{name}[{index}]: {error}") from None

    for index, (question, context) in enumerate(pairs):
        if question and context and len(document(question, index)) and len(document(context, index)):
            asked[index] = question, document(context, index)
    return asked


def _ask(reader: Reader, asked: _Asked, threshold: Threshold, name: str) -> list[Answer]:
    questions = [question for question, _ in asked.values()]
    documents = [document for _, document in asked.values()]
    try:
        return [found[0] for found in reader.ask_many(questions, documents, threshold=threshold)]
    except (ValueError, TypeError):
        # Its index counts only the pairs that were asked.
        results = reader.stream(asked.values(), threshold=threshold, errors="return")
        for index, result in zip(asked, results, strict=True):
            if isinstance(result, Failure):
                raise reworded(result.error, f"{name}[{index}]: {result.reason}") from None
        raise


def _best(asked: _Asked, answers: Sequence[Answer], top_k: int | None) -> list[PassageAnswer]:
    """Return the answers that are not null, best first."""
    found = [
        PassageAnswer.of(answer, document.text, index)
        for (index, (_, document)), answer in zip(asked.items(), answers, strict=True)
        if not answer.is_null
    ]
    return sorted(found, key=lambda answer: -answer.margin)[:top_k]
