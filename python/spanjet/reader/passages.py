"""Define passages, and the answers of a search in them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, overload

from spanjet import _core
from spanjet.reader.answer import Answer, Document

__all__ = ["Passage", "PassageAnswer", "SearchResult"]

Passage = str | Document | tuple[Any, str | Document]
"""Text or prepared document, or a pair of the caller's id and either."""


@dataclass(frozen=True, slots=True)
class PassageAnswer(Answer):
    """Answer from one of many passages; ``passage_text[start:end] == text`` always holds.

    Attributes:
        passage: index of the passage among the searched ones, from 0.
        passage_id: id that the caller gave it, or None.
        passage_text: text of the passage.
        sentence_start, sentence_end: offsets of the answer's sentence (UAX 29) in the passage in code points,
            end exclusive; of all its sentences if it crosses several.
    """

    passage: int
    passage_id: Any
    passage_text: str = field(repr=False)
    sentence_start: int
    sentence_end: int

    @classmethod
    def of(cls, answer: Answer, text: str, passage: int, passage_id: Any = None) -> "PassageAnswer":
        """Make the answer of a passage from an answer in its text.

        Args:
            answer: the answer, not the null answer.
            text: the passage's text.
            passage: index of the passage.
            passage_id: id of the passage; None: it has none.
        """
        first, last = _core.sentence(text, answer.start, answer.end)
        return cls(
            **answer.as_dict(),
            passage=passage,
            passage_id=passage_id,
            passage_text=text,
            sentence_start=first,
            sentence_end=last,
        )

    @property
    def sentence(self) -> str:
        """Text of the answer's sentence."""
        return self.passage_text[self.sentence_start : self.sentence_end]

    def highlight(self, before: str = "**", after: str = "**") -> str:
        """Mark the answer in its sentence.

        Args:
            before: text to insert before the answer.
            after: text to insert after the answer.

        Example:
            >>> reader = spanjet.Reader()
            >>> found = reader.search("Who built it?", ["It is long. Clara Hansen built it."])
            >>> found[0].highlight("<b>", "</b>")
            '<b>Clara Hansen</b> built it.'
        """
        text = self.passage_text
        left, right = text[self.sentence_start : self.start], text[self.end : self.sentence_end]
        return f"{left}{before}{self.text}{after}{right}"

    def to_citation(self) -> dict[str, Any]:
        """Return the answer in the common layout of citation APIs.

        Returns:
            ``type`` ("char_location"), ``cited_text``, ``document_index`` (the passage's index),
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
        """Return the attributes by name, JSON-serialisable, without the passage's text.

        An id of a type that JSON does not have becomes text.
        """
        values = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "passage_text"}
        if not isinstance(self.passage_id, str | int | float | None):
            values["passage_id"] = str(self.passage_id)
        return values


@dataclass(frozen=True, slots=True)
class SearchResult(Sequence[PassageAnswer]):
    """Sequence of the answers found in passages, best first.

    Attributes:
        answers: answers, best first; empty if no passage reaches the threshold.
        no_answer: probability that no passage answers the question, 0 to 1: the product of the passages' own.
            It assumes independent errors: it is too small for passages that say the same, or are misread in
            the same way.
        passages: number of searched passages, blank ones included.
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
        """Return the attributes by name, JSON-serialisable, without the passages' texts."""
        answers = [answer.as_dict() for answer in self.answers]
        return {"passages": self.passages, "no_answer": self.no_answer, "answers": answers}
