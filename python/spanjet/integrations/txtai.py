"""Answer questions in txtai's pipelines and workflows, without torch and without cutting the contexts."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from spanjet.config import Threshold
from spanjet.extras import import_extra
from spanjet.integrations._answering import answer_pairs, checked_threshold
from spanjet.integrations._lazy_reader import LazyReader
from spanjet.reader.reader import Reader
from spanjet.validation import check_list

try:
    from txtai.pipeline import Questions
except ImportError:
    import_extra("txtai.pipeline", extra="txtai", purpose="spanjet.integrations.txtai needs txtai")
    raise

__all__ = ["SpanjetQuestions"]


class SpanjetQuestions(Questions):  # type: ignore[misc]
    """Answer questions by contexts of any length, in the place of txtai's `Questions`.

    It can be the ``path`` of txtai's `RAG` (`Extractor`), which gives it each question with the texts that it
    has retrieved; the action of a workflow's `Task`; and a pipeline of an application, by its full name. The
    model is loaded when it is first used, and the object can be pickled.

    Args:
        path: model directory, hub id, `spanjet.Reader`, or None: the bundled model.
        threshold: minimum probability that a context answers the question, 0 to 1; ``"reader"``: the reader's
            own, which is the model's for a path or an id; ``"model"``: the one in the model's card; None:
            always answer.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: the threshold is not a probability.

    Example:
        >>> from spanjet.integrations.txtai import SpanjetQuestions
        >>> questions = SpanjetQuestions()
        >>> questions(["Who built it?", "Who paid?"], ["Clara Hansen built it.", "Clara Hansen built it."])
        ['Clara Hansen', None]
    """

    # The constructor of Questions loads a model with torch.
    def __init__(
        self, path: Reader | str | os.PathLike[str] | None = None, *, threshold: Threshold = "reader"
    ) -> None:
        self.path = path
        self.threshold = checked_threshold(threshold)
        self._lazy = LazyReader(path)

    def __call__(
        self, questions: Sequence[Any], contexts: Sequence[str | None] | None = None
    ) -> list[str | None]:
        """Answer each question by its context.

        Args:
            questions: questions; without ``contexts`` pairs of question and context, as tuples or as
                dictionaries with the keys ``question`` and ``context``, which is how a workflow's task hands
                them on.
            contexts: a context for each question.

        Returns:
            The text of each answer; None if the question or its context is missing or blank, or below the
            threshold.

        Raises:
            OSError: the model cannot be read.
            ValueError: questions and contexts differ in number, or a text has a lone surrogate; the message
                has its index.
            TypeError: an argument or an item has the wrong type, likewise.
        """
        pairs = _split(questions) if contexts is None else _joined(questions, contexts)
        answers = answer_pairs(self._lazy.reader, pairs, threshold=self.threshold, name="questions")
        return [None if answer is None or answer.is_null else answer.text for answer in answers]


def _joined(questions: Any, contexts: Any) -> list[tuple[Any, Any]]:
    questions, contexts = check_list("questions", questions), check_list("contexts", contexts)
    if len(questions) != len(contexts):
        expected = "expected one context for each question"
        raise ValueError(f"{expected}, found {len(questions)} questions and {len(contexts)} contexts")
    return list(zip(questions, contexts, strict=True))


def _split(elements: Any) -> list[tuple[Any, Any]]:
    """Return the question and context of each element of a workflow."""
    return [_pair(index, element) for index, element in enumerate(check_list("questions", elements))]


def _pair(index: int, element: Any) -> tuple[Any, Any]:
    if isinstance(element, Mapping) and "question" in element and "context" in element:
        return element["question"], element["context"]
    if isinstance(element, tuple | list) and len(element) == 2:
        return element[0], element[1]
    expected = "expected a pair of question and context, or a dictionary with these keys"
    raise TypeError(f"questions[{index}]: {expected}, found {element!r:.60}")
