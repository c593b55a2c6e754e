"""Find the answers to queries in documents, and rank them over all documents."""

import heapq
import math
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from operator import itemgetter
from typing import NamedTuple

from spanjet.integrations._extraction.config import ExtractionConfig, own_names
from spanjet.reader.answer import Answer, Document, Failure
from spanjet.reader.errors import reworded
from spanjet.reader.reader import Reader
from spanjet.validation import check_list

__all__ = ["DocumentAnswer", "answer_page", "find_answers", "without_overlaps"]


class DocumentAnswer(NamedTuple):
    """Answer to a query from one of several documents.

    Attributes:
        query: the query.
        score: probability that this is the answer.
        document: index of the document; None for the answer that there is none.
        answer: the span; None likewise.
    """

    query: str
    score: float
    document: int | None
    answer: Answer | None


class _Text(NamedTuple):
    position: int
    id: str
    document: Document


def find_answers(
    reader: Reader,
    query: str | Sequence[str],
    documents: Sequence[tuple[str, str]],
    config: ExtractionConfig,
) -> list[DocumentAnswer]:
    """Find the best answers to each query in all documents.

    They are ranked by margin, as `Reader.search` ranks them. The answer that there is none stands before the
    first one of a smaller score; its score is the product of the documents' ``no_answer``.

    Args:
        reader: reader of the model, whose windows and decoding are set as ``config`` says.
        query: one query or several, each of which is asked of every document.
        documents: pairs of an id, for errors, and a text; blank texts have no answer.
        config: settings.

    Returns:
        The answers to the first query, best first, then those to the next one.

    Raises:
        ValueError: a query has no tokens, a text has a lone surrogate, or the model's logits are no numbers;
            the message has ``query``, ``query[i]`` or the document's id. Or ``max_seq_length`` exceeds the
            model's maximum length.
        TypeError: a query is not a string.
    """
    queries = [query] if isinstance(query, str) else check_list("query", query)
    settings = config.reader_settings()
    if (reader.window_config, reader.decode_config) != tuple(settings.values()):
        with own_names():
            reader = reader.with_config(**settings)
    _check_query(reader, query if isinstance(query, str) else queries)
    prepared = [_prepared(reader, position, *each) for position, each in enumerate(documents)]
    texts = [text for text in prepared if len(text.document)]
    pairs = ((each, text.document) for each in queries for text in texts)
    results = reader.stream(pairs, top_k=config.candidates, threshold=None, errors="return")
    found: list[DocumentAnswer] = []
    for each in queries:
        found += _best(each, texts, islice(results, len(texts)), config)
    return found


def _check_query(reader: Reader, query: str | list[str]) -> None:
    """Check queries, and warn of a model that is not calibrated, by a search in no passages."""
    try:
        reader.search(query, [])
    except (TypeError, ValueError) as error:
        raise reworded(error, re.sub(r"^questions?", "query", str(error))) from None


def _prepared(reader: Reader, position: int, name: str, text: str) -> _Text:
    try:
        return _Text(position, name, reader.prepare(text))
    except ValueError as error:
        raise ValueError(f"document {name}: {error}") from None


def _best(
    query: str,
    texts: Sequence[_Text],
    results: Iterator[list[Answer] | Failure],
    config: ExtractionConfig,
) -> list[DocumentAnswer]:
    """Choose the best among the candidates of all documents."""
    best: list[tuple[float, DocumentAnswer]] = []
    no_answer = 1.0
    for text, result in zip(texts, results, strict=True):
        if isinstance(result, Failure):
            raise ValueError(f"document {text.id}: {result.reason}")
        no_answer *= result[0].no_answer
        margin = math.inf
        candidates = [answer for answer in result if not answer.is_null]
        for answer in without_overlaps(candidates, config.overlap_threshold)[: config.top_k]:
            # The order within a document, which depends on sentences, is kept.
            margin = min(margin, answer.margin)
            best.append((margin, DocumentAnswer(query, answer.score, text.position, answer)))
        # Equal margins stay in the order of the documents.
        best = heapq.nlargest(config.top_k, best, key=itemgetter(0))
    answers = [answer for _, answer in best]
    if config.no_answer:
        place = next((i for i, answer in enumerate(answers) if answer.score < no_answer), len(answers))
        answers.insert(place, DocumentAnswer(query, no_answer, None, None))
    least = config.score_threshold
    return [answer for answer in answers if least is None or answer.score >= least]


def without_overlaps(answers: Sequence[Answer], threshold: float | None) -> list[Answer]:
    """Remove answers that overlap a better one of the same text by more than a threshold.

    Args:
        answers: answers, best first.
        threshold: share of the shorter of two spans; None: keep all.
    """
    if threshold is None:
        return list(answers)
    kept: list[Answer] = []
    for answer in answers:
        if all(_overlap(answer, better) <= threshold for better in kept):
            kept.append(answer)
    return kept


def _overlap(first: Answer, second: Answer) -> float:
    """Return the characters that two spans have in common, as a share of the shorter one."""
    common = min(first.end, second.end) - max(first.start, second.start)
    return max(common, 0) / min(first.end - first.start, second.end - second.start)


def answer_page(first_page: object, text: str, start: int) -> int | None:
    """Return the page of an answer in a document whose pages end with form feeds.

    Args:
        first_page: page on which the document begins; it is unknown unless it is an integer.
        text: text of the document.
        start: offset of the answer in code points.
    """
    if not isinstance(first_page, int) or isinstance(first_page, bool):
        return None
    return first_page + text.count("\f", 0, start)
