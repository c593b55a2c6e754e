"""Warn users of what makes answers or scores worth less than they seem."""

__all__ = ["QuestionCut", "Uncalibrated"]


class Uncalibrated(UserWarning):
    """A model without a calibration is used as if its scores were probabilities."""


class QuestionCut(UserWarning):
    """A question is longer than ``max_question_length`` and loses its end."""
