"""Represent searched passages and the answers found in them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, overload

from spanjet.reader.answer import Answer, Document

__all__ = ["Passage", "PassageAnswer", "SearchResult"]

Passage = str | Document | tuple[Any, str | Document]
"""A text, a prepared document, or one of them behind the caller's id for it."""


@dataclass(frozen=True, slots=True)
class PassageAnswer(Answer):
    """An answer from one of many passages; ``passage_text[start:end] == text`` always holds.

    Attributes:
        passage: the passage's position among those that were searched, from 0.
        passage_id: the id that it was given with, else None.
        passage_text: its text.
        sentence_start, sentence_end: first code point of the answer's sentence (UAX 29) in the passage,
            and the one after the last; of all its sentences where it lies in several.
    """

    passage: int
    passage_id: Any
    passage_text: str = field(repr=False)
    sentence_start: int
    sentence_end: int

    @property
    def sentence(self) -> str:
        """Text of the answer's sentence."""
        return self.passage_text[self.sentence_start : self.sentence_end]

    def highlight(self, before: str = "**", after: str = "**") -> str:
        """Mark the answer in its sentence.

        Args:
            before: put before the answer.
            after: put behind it.
        """
        text = self.passage_text
        left, right = text[self.sentence_start : self.start], text[self.end : self.sentence_end]
        return f"{left}{before}{self.text}{after}{right}"

    def to_citation(self) -> dict[str, Any]:
        """Return the answer in the layout that citation APIs share.

        Returns:
            ``type`` ("char_location"), ``cited_text``, ``document_index`` (the passage's position),
            ``document_title`` (its id as text, or None), ``start_char_index`` and ``end_char_index`` (in code
            points).
        """
        return {
            "type": "char_location",
            "cited_text": self.text,
            "document_index": self.passage,
            "document_title": None if self.passage_id is None else str(self.passage_id),
            "start_char_index": self.start,
            "end_char_index": self.end,
        }

    def as_dict(self) -> dict[str, Any]:
        """Return the attributes by name, ready for JSON, without the passage's text.

        An id that JSON does not have becomes text.
        """
        values = asdict(self)
        del values["passage_text"]
        if not isinstance(self.passage_id, str | int | float | None):
            values["passage_id"] = str(self.passage_id)
        return values


@dataclass(frozen=True, slots=True)
class SearchResult(Sequence[PassageAnswer]):
    """The answers found in passages: a sequence, best first.

    Attributes:
        answers: best first; none where no passage is likely enough to hold one.
        no_answer: probability that no passage answers the question, 0 to 1: the product of the passages'
            own. It takes them to err independently of each other: passages that say the same, or are
            misread in the same way, make it too small.
        passages: how many passages were searched, blank ones included.
    """

    answers: tuple[PassageAnswer, ...]
    no_answer: float
    passages: int

    @overload
    def __getitem__(self, index: int) -> PassageAnswer: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[PassageAnswer, ...]: ...
    def __getitem__(self, index: int | slice) -> PassageAnswer | tuple[PassageAnswer, ...]:
        return self.answers[index]

    def __len__(self) -> int:
        return len(self.answers)

    def as_dict(self) -> dict[str, Any]:
        """Return the attributes by name, ready for JSON, without the passages' texts."""
        answers = [answer.as_dict() for answer in self.answers]
        return {"passages": self.passages, "no_answer": self.no_answer, "answers": answers}
