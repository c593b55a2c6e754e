"""Define warnings about the reliability of answers and scores."""

from spanjet._core import Tokenizer
from spanjet.config import WindowConfig

__all__ = ["QuestionCut", "Uncalibrated", "cut_message", "question_warning"]


class Uncalibrated(UserWarning):
    """Warning that scores of an uncalibrated model are used as probabilities."""


class QuestionCut(UserWarning):
    """A question is longer than ``max_question_length`` and loses its end."""


def question_warning(question: str, tokenizer: Tokenizer, config: WindowConfig) -> str | None:
    """Say by how much a question that has been answered was cut; None: it was not."""
    most = config.max_question_length
    # A text alone may have more tokens than as a question, which is stripped, but hardly ever has.
    if most is None or len(tokenizer.encode(question)) <= most:
        return None
    length = int(tokenizer.windows([question], [question], **config.arguments()).question_length[0])
    return None if length <= most else f"the question {cut_message(length, most)}"


def cut_message(length: int, most: int) -> str:
    """Say what became of a question of so many tokens."""
    return f"has {length} tokens and is cut to {most}, the max_question_length"
