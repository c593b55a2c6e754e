"""Define warnings about the reliability of answers and scores."""

__all__ = ["QuestionCut", "Uncalibrated"]


class Uncalibrated(UserWarning):
    """Warning that scores of an uncalibrated model are used as probabilities."""


class QuestionCut(UserWarning):
    """A question is longer than ``max_question_length`` and loses its end."""
