r"""Keep a teacher's logits of the windows that a student is trained on.

    python -m recipes.logits TEACHER --examples teacher/train.npz --student-examples train.npz \
        --student START --epochs 0 1 2 --out logits

The windows of an epoch come from the seed alone, so that a file an epoch holds what the teacher says of them:
the logits of [CLS] and of the context, in float16. The examples of both are those of one file, tokenized with
vocabularies that divide texts alike (MPNet's ids are BERT's + 4). An epoch that is there is not made again.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from recipes.checkpoint import layout_of, load_reader
from recipes.examples import Arrays, Sampling, Window, batches, collate, windows
from recipes.model import Reader

__all__ = ["Teacher", "cache", "check_alike"]


class Teacher:
    """Logits of an epoch's windows.

    Args:
        file: what `cache` wrote.
        found: the epoch's windows, in their order.
    """

    def __init__(self, file: Path, found: list[Window]) -> None:
        with np.load(file) as kept:
            self._indptr, self._logits = kept["indptr"], kept["logits"]
        if len(self._indptr) != len(found) + 1:
            raise ValueError(f"{file}: logits of {len(self._indptr) - 1} windows; expected {len(found)}")
        self._place = {window: place for place, window in enumerate(found)}

    def targets(self, chosen: list[Window], allowed: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Lay the teacher's logits over a batch.

        Args:
            chosen: the windows of the batch.
            allowed: bool[windows, length], where an answer may begin or end.

        Returns:
            float32[2, windows, length], start and end logits; -10,000 where no answer may begin or end.
        """
        targets = np.full((2, *allowed.shape), -10_000.0, np.float32)
        for row, window in enumerate(chosen):
            place = self._place[window]
            targets[:, row, allowed[row]] = self._logits[:, self._indptr[place] : self._indptr[place + 1]]
        return targets


def cache(
    reader: Reader, arrays: Arrays, found: list[Window], file: Path, *, tokens: int, device: str
) -> None:
    """Compute a teacher's logits of windows and write them, whole or not at all."""
    lengths = [1 + window.end - window.begin for window in found]
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    logits = np.empty((2, int(indptr[-1])), np.float16)
    place = {window: index for index, window in enumerate(found)}
    reader.eval()
    with torch.no_grad():
        for chosen in batches(arrays, found, tokens, (0, 0)):
            batch = collate(arrays, chosen)
            inputs = (torch.from_numpy(values).to(device) for values in (batch.ids, batch.mask, batch.types))
            answered = reader(*inputs)
            both = torch.stack((answered.start, answered.end)).cpu().numpy()
            for row, window in enumerate(chosen):
                begin, end = indptr[place[window] : place[window] + 2]
                logits[:, begin:end] = both[:, row, batch.allowed[row]]
    staged = file.with_suffix(".new")
    with staged.open("wb") as out:
        np.savez(out, indptr=indptr, logits=logits)
    staged.replace(file)


def check_alike(teacher: Arrays, student: Arrays) -> None:
    """Refuse examples whose tokens do not lie on the same places.

    Raises:
        ValueError: they do not.
    """
    for name in ("paragraph_begin", "question_begin", "paragraph", "first", "last", "article"):
        if not np.array_equal(getattr(teacher, name), getattr(student, name)):
            raise ValueError(f"the examples of teacher and student differ in {name}; expected one file's")


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the logits of some epochs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("teacher", type=Path, help="the trained teacher's checkpoint")
    parser.add_argument("--examples", type=Path, required=True, help="tokenized for the teacher")
    parser.add_argument("--student", type=Path, required=True, help="the student's start weights")
    parser.add_argument("--student-examples", type=Path, required=True)
    parser.add_argument("--epochs", type=int, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0, help="of the student's run")
    parser.add_argument("--tokens", type=int, default=5600)
    for name in ("elsewhere", "article", "unanswered"):
        parser.add_argument(f"--{name}", type=float, default=getattr(Sampling(), name))
    parser.add_argument("--max-length", type=int, default=Sampling().max_length)
    options = parser.parse_args(arguments)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    reader = load_reader(options.teacher).to(device)
    arrays = Arrays.load(options.examples, layout_of(options.teacher))
    student = Arrays.load(options.student_examples, layout_of(options.student))
    check_alike(arrays, student)
    options.out.mkdir(parents=True, exist_ok=True)
    sampling = Sampling(options.elsewhere, options.article, options.unanswered, options.max_length)
    for epoch in options.epochs:
        file = options.out / f"{epoch}.npz"
        if not file.exists():
            # The student's windows: its special tokens leave more room.
            found = windows(student, sampling, (options.seed, epoch))
            cache(reader, arrays, found, file, tokens=options.tokens, device=device)
        print(file, flush=True)


if __name__ == "__main__":
    main()
