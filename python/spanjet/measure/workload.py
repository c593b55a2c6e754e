"""The windows of some questions, cut into batches beforehand: all that inference alone needs."""

from collections.abc import Sequence

from spanjet._core import Batch, Encoding
from spanjet.reader.reader import Reader
from spanjet.runtime.engine import Hint

__all__ = ["Workload"]


class Workload:
    """The batches that a reader makes of all questions at once, and its engine.

    Args:
        reader: plans the batches.
        questions: one question for each context.
        contexts: texts, or encodings made by the reader's tokenizer.

    Attributes:
        questions: their number.
        windows: their number.
        tokens: of all windows, without padding.
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

    def infer(self, hint: Hint = "THROUGHPUT") -> None:
        """Run all batches, and let go of their logits."""
        for _ in self._engine.run(self.batches, hint=hint):
            pass
