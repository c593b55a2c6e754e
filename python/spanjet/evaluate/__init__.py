"""How good are the answers: SQuAD's exact match and F1."""

from spanjet.evaluate.null_threshold import NullThreshold, best_null_threshold, tune_null_threshold
from spanjet.evaluate.squad import (
    Evaluation,
    Question,
    Scores,
    Split,
    SquadDataset,
    evaluate,
    load_squad,
    score,
)

__all__ = [
    "Evaluation",
    "NullThreshold",
    "Question",
    "Scores",
    "Split",
    "SquadDataset",
    "best_null_threshold",
    "evaluate",
    "load_squad",
    "score",
    "tune_null_threshold",
]
