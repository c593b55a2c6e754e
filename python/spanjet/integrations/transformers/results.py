"""Convert answers to the dictionaries that transformers' pipeline returns."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from spanjet.config import Threshold
from spanjet.integrations.transformers.inputs import DataSet, Pair
from spanjet.reader.answer import Answer
from spanjet.reader.reader import Reader

__all__ = ["DataSetResults", "Result", "result", "stream"]

Result = dict[str, Any] | list[dict[str, Any]]
"""Answer with ``score``, ``start``, ``end`` and ``answer``; a list of them unless there is exactly one."""


class DataSetResults:
    """The results of a data set, which is read and answered on demand, anew in each iteration.

    Args:
        pairs: the data set.
        answer: function that answers pairs on demand.
    """

    def __init__(self, pairs: DataSet, answer: Callable[[Iterable[Pair]], Iterator[Result]]) -> None:
        self._pairs = pairs
        self._answer = answer

    def __iter__(self) -> Iterator[Result]:
        return self._answer(self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)


def stream(
    pairs: Iterable[Pair], *, reader: Reader, top_k: int, threshold: Threshold, look_ahead: int
) -> Iterator[Result]:
    """Yield the result of each pair, in bounded memory; arguments and errors are those of `Reader.stream`."""
    for answers in reader.stream(pairs, top_k=top_k, threshold=threshold, look_ahead=look_ahead):
        yield result(answers)


def result(answers: list[Answer]) -> Result:
    """Return the answers to one question as transformers does."""
    found = [
        {"score": answer.score, "start": answer.start, "end": answer.end, "answer": answer.text}
        for answer in answers
    ]
    return found[0] if len(found) == 1 else found
