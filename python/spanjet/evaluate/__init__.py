"""How good are the answers: SQuAD's exact match and F1."""

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

__all__ = ["Evaluation", "Question", "Scores", "Split", "SquadDataset", "evaluate", "load_squad", "score"]
