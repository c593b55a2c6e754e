"""Score LoadGen's accuracy log with the decoder in run_squad.py's mode."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spanjet import _core
from spanjet.bench.mlperf.loadgen.samples import Samples
from spanjet.bench.mlperf.rules import DECODING
from spanjet.evaluate import Scores, score
from spanjet.reader.answer import answers_of

__all__ = ["LOG", "Accuracy", "read_log", "score_log"]

LOG = "mlperf_log_accuracy.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Accuracy:
    """Scores and answers of an accuracy run.

    Attributes:
        scores: exact match and F1, in percent.
        predictions: answers by question id.
    """

    scores: Scores
    predictions: dict[str, str]

    def text(self) -> str:
        """Write the line that MLPerf's submission checker reads in ``accuracy.txt``."""
        return json.dumps({"exact_match": self.scores.exact_match, "f1": self.scores.f1}) + "\n"


def score_log(path: Path, samples: Samples) -> Accuracy:
    """Decode the responses of an accuracy run and score the answers.

    Args:
        path: LoadGen's ``mlperf_log_accuracy.json``.
        samples: all windows of the questions.

    Raises:
        OSError: the log cannot be read.
        ValueError: the log is damaged, or a sample is missing, unknown, of another length, or has
            contradictory responses.
    """
    responses = read_log(path)
    windows = samples.windows
    starts, ends = np.empty((2, len(windows.ids)), np.float32)
    found: dict[int, bytes] = {}
    for index, data in responses:
        if not 0 <= index < len(samples):
            raise ValueError(f"{path}: sample {index}; expected less than {len(samples)}")
        # LoadGen fills the last query of MultiStream with repeated samples.
        if found.setdefault(index, data) != data:
            raise ValueError(f"{path}: sample {index} is there twice, with different responses")
        logits = np.frombuffer(data, np.float32)
        length = int(samples.lengths[index])
        if len(logits) != 2 * length:
            raise ValueError(
                f"{path}: sample {index} has {len(data)} bytes; expected {8 * length}, float32 [{length}, 2]"
            )
        first = windows.indptr[samples.rows[index]]
        starts[first : first + length], ends[first : first + length] = logits.reshape(-1, 2).T
    if len(found) < len(samples):
        raise ValueError(f"{path}: {len(samples) - len(found):,} of {len(samples):,} samples are missing")
    spans = _core.decode_spans(
        windows,
        starts,
        ends,
        mode=DECODING.mode,
        n_best=DECODING.n_best,
        max_answer_length=DECODING.max_answer_length,
    )
    questions = samples.dataset.questions
    answers = answers_of([question.context for question in questions], spans)
    predictions = {each.id: best.text for each, (best, *_) in zip(questions, answers, strict=True)}
    return Accuracy(scores=score(samples.dataset, predictions), predictions=predictions)


def read_log(path: Path) -> list[tuple[int, bytes]]:
    """Read sample indices and responses in the order of the log.

    Raises:
        OSError: the log cannot be read.
        ValueError: the file is not a LoadGen accuracy log.
    """
    try:
        entries: Any = json.loads(path.read_bytes())
        return [(int(entry["qsl_idx"]), bytes.fromhex(entry["data"])) for entry in entries]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: not an accuracy log of LoadGen's: {error}") from None
