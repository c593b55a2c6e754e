"""Format predictions for other tools."""

from typing import Any

from spanjet.evaluate.evaluation import Evaluation

__all__ = ["squad_v2_predictions"]


def squad_v2_predictions(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Format predictions for Hugging Face's metric ``squad_v2``.

    Returns:
        One ``{"id", "prediction_text", "no_answer_probability"}`` per question.
    """
    return [
        {"id": name, "prediction_text": text, "no_answer_probability": evaluation.no_answer[name]}
        for name, text in evaluation.predictions.items()
    ]
