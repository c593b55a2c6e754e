"""Prepare LoadGen's samples, the windows of a SQuAD file, before the timed run."""

from copy import copy

import numpy as np
from numpy.typing import NDArray

from spanjet import _core
from spanjet.bench.mlperf.rules import OTHER_TOKENIZERS, QUESTIONS, WINDOWS
from spanjet.files.datasets.dataset import SquadDataset
from spanjet.reader.reader import Reader

__all__ = ["Samples"]


class Samples:
    """Samples of a data set: windows in the order of their questions; sample i is window ``rows[i]``.

    Args:
        reader: reader that makes the windows.
        dataset: questions, each of which has an answer (SQuAD v1.1).

    Attributes:
        dataset: the questions.
        windows: windows of all questions.
        rows: int64[samples], index of each sample's window.
        lengths: int64[samples], length of each sample in tokens.

    Raises:
        ValueError: a question has no answer, so the data set is not SQuAD v1.1.
    """

    def __init__(self, reader: Reader, dataset: SquadDataset) -> None:
        if dataset.version != "1.1":
            raise ValueError("questions without an answer: expected SQuAD v1.1, as MLPerf's dev-v1.1.json")
        self.dataset = dataset
        self.windows: _core.Windows = reader.windows(
            [each.question for each in dataset.questions], [each.context for each in dataset.questions]
        )
        self.lengths: NDArray[np.int64] = np.diff(self.windows.indptr)
        self.rows = np.arange(len(self.lengths), dtype=np.int64)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def is_mlperf(self) -> bool:
        """True if the numbers of questions and windows are those of SQuAD v1.1 dev under MLPerf's rules.

        Other tokens than those of BERT-Large make a few windows more or fewer.
        """
        is_whole = len(self.dataset) == QUESTIONS and len(self.windows) == len(self)
        return is_whole and abs(len(self) - WINDOWS) <= OTHER_TOKENIZERS * WINDOWS

    @property
    def label(self) -> str:
        """Description of the samples."""
        found = f"{len(self.dataset):,} questions, {len(self):,} windows"
        if self.is_mlperf:
            return f"SQuAD v1.1 dev: {found}"
        return f"not the MLPerf data set: {found}; expected {QUESTIONS:,} and about {WINDOWS:,}"

    def batch(self, samples: NDArray[np.int64], *, length: int) -> _core.Batch:
        """Make the model inputs of some samples, padded to a length."""
        return self.windows.batch(self.rows[samples], length=length)

    def subset(self, count: int) -> "Samples":
        """Select samples evenly spread over the lengths of all.

        Args:
            count: number of samples; all if there are fewer.
        """
        count = min(count, len(self))
        places = ((np.arange(count) + 0.5) * len(self) / count).astype(np.int64)
        order = np.argsort(self.lengths, kind="stable")
        some = copy(self)
        some.rows = np.sort(self.rows[order[places]])
        some.lengths = np.diff(self.windows.indptr)[some.rows]
        return some
