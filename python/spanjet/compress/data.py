"""Sample calibration and held-out questions from a SQuAD file, and make their model inputs."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spanjet._core import Windows
from spanjet.compress.distill.reference_answers import mark_answers
from spanjet.evaluate import Question, SquadDataset, load_squad
from spanjet.reader.reader import Reader
from spanjet.runtime.ports import adapt
from spanjet.storage import file_digest

__all__ = ["QuestionFile", "calibration_inputs", "choose_questions", "hold_out", "training_inputs"]

# Code points: a short paragraph of SQuAD. A shorter context is often one sentence, whose windows have neither
# the lengths nor the long-range attention of real ones.
_LONG_CONTEXT = 400


@dataclass(frozen=True)
class QuestionFile:
    """SQuAD file and its questions."""

    path: Path
    dataset: SquadDataset

    @property
    def digest(self) -> str:
        """First 12 hexadecimal digits of the file's SHA-256, for names of results."""
        return file_digest(self.path)[:12]

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "QuestionFile":
        """Load a file; raise the errors of `load_squad`."""
        return cls(Path(path), load_squad(path))


def choose_questions(dataset: SquadDataset, *, count: int, seed: int) -> list[Question]:
    """Sample questions at random, with a preference for distinct and long contexts.

    Questions on long contexts not chosen before come first, then those on short contexts, then further
    questions on the same contexts.

    Args:
        dataset: data set to sample from.
        count: maximum number of questions.
        seed: seed of the random choice.
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


def hold_out(dataset: SquadDataset, calibrated: Sequence[Question], *, count: int, seed: int) -> SquadDataset:
    """Sample questions whose contexts are not used for calibration, in the data set's order.

    Args:
        dataset: data set to sample from.
        calibrated: the calibration questions, as `choose_questions` returned them.
        count: maximum number of questions.
        seed: seed of the random choice.

    Raises:
        ValueError: every context is used for calibration.
    """
    used = {question.context for question in calibrated}
    others = [question for question in dataset.questions if question.context not in used]
    if not others:
        raise ValueError(
            f"all {len(used)} contexts are calibrated with, and none is left to measure on: expected more "
            "data or fewer samples"
        )
    chosen = np.sort(np.random.default_rng([seed, 1]).permutation(len(others))[:count])
    return replace(dataset, questions=tuple(others[index] for index in chosen.tolist()))


def calibration_inputs(
    reader: Reader, questions: Sequence[Question], *, count: int
) -> list[dict[str, NDArray[np.int32]]]:
    """Make the model inputs of single windows without padding, int32[1, tokens] each.

    Args:
        reader: reader of the model, with the window settings to calibrate for.
        questions: questions to make windows of, in this order.
        count: maximum number of windows.

    Raises:
        ValueError: a question or context has no tokens.
    """
    return _inputs(reader, _windows(reader, questions), count)


def training_inputs(
    reader: Reader, questions: Sequence[Question], *, count: int
) -> list[dict[str, NDArray[np.int32]]]:
    """Make what `calibration_inputs` makes, with the reference answers (see `mark_answers`)."""
    windows = _windows(reader, questions)
    marks = mark_answers(windows, questions, min(count, len(windows)))
    inputs = _inputs(reader, windows, count)
    return [{**item, **marked} for item, marked in zip(inputs, marks, strict=True)]


def _windows(reader: Reader, questions: Sequence[Question]) -> Windows:
    return reader.windows(
        [question.question for question in questions], [question.context for question in questions]
    )


def _inputs(reader: Reader, windows: Windows, count: int) -> list[dict[str, NDArray[np.int32]]]:
    """Make the inputs of the first windows, one by one."""
    _, names = adapt(reader.model.model)
    inputs = []
    for row in range(min(count, len(windows))):
        batch = windows.batch(np.array([row], np.int64))
        inputs.append({name: getattr(batch, name) for name in names})
    return inputs
