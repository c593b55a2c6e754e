"""The text that quantization measures activations on."""

import numpy as np
from numpy.typing import NDArray

from spanjet._core import Tokenizer
from spanjet.config import WindowConfig
from spanjet.evaluate.squad import Question, SquadDataset

__all__ = ["calibration_inputs", "choose_questions"]

# Code points: a short paragraph of SQuAD. What is shorter is often one sentence, whose windows have
# neither the lengths nor the far attention of real ones.
_LONG_CONTEXT = 400


def choose_questions(dataset: SquadDataset, *, count: int, seed: int) -> list[Question]:
    """A random choice of questions that prefers variety.

    Questions on long contexts not chosen before come first, then those on short contexts, then further
    questions on the same contexts.

    Args:
        dataset: what to choose from.
        count: questions at most.
        seed: the same seed gives the same choice.
    """
    order = np.random.default_rng(seed).permutation(len(dataset))
    seen: set[str] = set()
    classes: list[list[Question]] = [[], [], []]
    for index in order.tolist():
        question = dataset.questions[index]
        again = question.context in seen
        classes[2 if again else len(question.context) < _LONG_CONTEXT].append(question)
        seen.add(question.context)
    return [question for group in classes for question in group][:count]


def calibration_inputs(
    tokenizer: Tokenizer, questions: list[Question], *, count: int, config: WindowConfig
) -> list[dict[str, NDArray[np.int32]]]:
    """Model inputs of single windows, without padding: int32[1, tokens] each.

    Args:
        tokenizer: the model's own.
        questions: what to make windows of, in this order.
        count: windows at most.
        config: how to cut them.

    Raises:
        ValueError: a question or context has no tokens.
    """
    windows = tokenizer.windows(
        [question.question for question in questions],
        [question.context for question in questions],
        max_length=config.max_length,
        doc_stride=config.doc_stride,
        convention=config.convention,
        max_question_length=config.max_question_length,
    )
    inputs = []
    for row in range(min(count, len(windows))):
        batch = windows.batch(np.array([row], np.int64))
        names = ("input_ids", "attention_mask", "token_type_ids")
        inputs.append({name: getattr(batch, name) for name in names})
    return inputs
