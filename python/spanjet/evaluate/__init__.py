"""Evaluate readers: exact match and F1, calibration, selective prediction, passages and articles."""

from spanjet.evaluate.calibrate import CalibrationReport, calibrate_reader
from spanjet.evaluate.confidence import Confidence, measure_confidence
from spanjet.evaluate.evaluation import Evaluation, evaluate
from spanjet.evaluate.long_texts import calibrate_cascade
from spanjet.evaluate.predictions import squad_v2_predictions
from spanjet.evaluate.retrieval import RetrievalScores, evaluate_articles, evaluate_passages
from spanjet.evaluate.squad import Scores, Split, best_f1, exact_match, grade, score
from spanjet.files.datasets.dataset import Question, SquadDataset, load_titles
from spanjet.files.datasets.mrqa import load_mrqa
from spanjet.files.datasets.squad import load_squad

__all__ = [
    "CalibrationReport",
    "Confidence",
    "Evaluation",
    "Question",
    "RetrievalScores",
    "Scores",
    "Split",
    "SquadDataset",
    "best_f1",
    "calibrate_cascade",
    "calibrate_reader",
    "evaluate",
    "evaluate_articles",
    "evaluate_passages",
    "exact_match",
    "grade",
    "load_mrqa",
    "load_squad",
    "load_titles",
    "measure_confidence",
    "score",
    "squad_v2_predictions",
]
