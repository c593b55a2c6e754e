"""Run inference alone, on prepared batches."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spanjet._core import Batch, Encoding
from spanjet.files.datasets.dataset import Question
from spanjet.measure.progress import OnStep, ignore_step
from spanjet.measure.rounds import Spread, Turn, alternate, ratios
from spanjet.reader.reader import Reader
from spanjet.runtime.engine import Hint, ModelInputs, Runtime

__all__ = ["InferenceSpeed", "Workload", "compare_inference", "run_batches"]


def run_batches(runtime: Runtime, batches: Iterable[ModelInputs], hint: Hint = "THROUGHPUT") -> None:
    """Run inference on all batches, and discard the logits."""
    for _ in runtime.run(batches, hint=hint):
        pass


class Workload:
    """Batches that a reader makes of all questions, and its engine.

    Args:
        reader: reader that plans the batches.
        questions: one question for each context.
        contexts: texts, or encodings made by the reader's tokenizer.

    Attributes:
        questions: number of questions.
        windows: number of windows.
        tokens: number of tokens of all windows, without padding.
        padding: share of padding among all positions of the batches, 0 to 1.
        batches: model inputs.
    """

    def __init__(self, reader: Reader, questions: Sequence[str], contexts: Sequence[str | Encoding]) -> None:
        windows = reader.tokenizer.windows(questions, contexts, **reader.window_config.arguments())
        self._engine = reader.engine
        self.questions = len(questions)
        self.windows = len(windows)
        self.tokens = len(windows.ids)
        self.batches: list[Batch] = [
            windows.batch(rows, length=length) for rows, length in reader.batches(windows)
        ]
        self.padding = 1 - self.tokens / sum(batch.input_ids.size for batch in self.batches)

    @classmethod
    def of(cls, reader: Reader, questions: Sequence[Question]) -> "Workload":
        """Make the workload of questions on their own contexts."""
        return cls(reader, [each.question for each in questions], [each.context for each in questions])

    def infer(self, hint: Hint = "THROUGHPUT") -> None:
        """Run inference on all batches, and discard the logits."""
        run_batches(self._engine, self.batches, hint)


@dataclass(frozen=True, kw_only=True)
class InferenceSpeed:
    """Inference times of readers in alternating rounds on the same windows.

    Attributes:
        turns: times of each round, by the reader's name.
        windows, tokens: number of windows and tokens per round.
    """

    turns: dict[str, list[Turn]]
    windows: int
    tokens: int

    def speed_up(self, name: str, over: str) -> Spread:
        """Compute the speed-up of one reader over another in each round."""
        return Spread.of(ratios(self.turns[over], self.turns[name]))

    def as_dict(self, speed_ups: Mapping[str, Any]) -> dict[str, Any]:
        """Return the median rates, the given speed-ups and the workload, JSON-serialisable."""
        return {
            "unit": "windows/s",
            **{
                name: round(self.windows / Spread.of([turn.wall for turn in each]).median, 2)
                for name, each in self.turns.items()
            },
            **speed_ups,
            "windows": self.windows,
            "tokens": self.tokens,
            "rounds": len(next(iter(self.turns.values()))),
        }


def compare_inference(
    readers: Mapping[str, Reader],
    questions: Sequence[Question],
    *,
    rounds: int,
    warm_ups: int = 1,
    on_step: OnStep = ignore_step,
) -> InferenceSpeed:
    """Time inference of several readers in alternating rounds.

    Args:
        readers: readers to compare, by name; their windows must have the same lengths.
        questions: questions to make windows of.
        rounds: at least 1.
        warm_ups: rounds beforehand that do not count.
        on_step: called after each run.
    """
    work = {name: Workload.of(reader, questions) for name, reader in readers.items()}
    turns = alternate({name: each.infer for name, each in work.items()}, rounds, on_step, warm_ups=warm_ups)
    one = next(iter(work.values()))
    return InferenceSpeed(turns=turns, windows=one.windows, tokens=one.tokens)
