"""Split a data set by contexts: questions to fit, search and measure on."""

from collections.abc import Sequence
from dataclasses import dataclass

from spanjet.compress.data import choose_questions, hold_out
from spanjet.compress.optimize.config import OptimizeConfig
from spanjet.evaluate import Question, SquadDataset

__all__ = ["Splits"]


@dataclass(frozen=True)
class Splits:
    """Questions by use; the splits share no context, except ``training``.

    Attributes:
        samples: questions to collect activations and calibrate INT8 ranges on.
        validation: questions to compare trained or fitted networks on.
        search: questions to compare candidates on.
        held_out: questions to measure F1 on.
        training: questions to distil pruned networks on; may share contexts with ``samples``.
        more_training: questions of longer trainings: all whose contexts are in no split but ``samples``.
    """

    samples: Sequence[Question]
    validation: Sequence[Question]
    search: Sequence[Question]
    held_out: SquadDataset
    training: Sequence[Question]
    more_training: Sequence[Question]

    @classmethod
    def choose(
        cls, dataset: SquadDataset, config: OptimizeConfig, held_out: SquadDataset | None = None
    ) -> "Splits":
        """Split a data set by its contexts.

        Args:
            dataset: data set to fit, search and train on.
            config: numbers of questions, and the seed of their choice.
            held_out: data set to hold out questions of; its contexts are in no other split. None:
                ``dataset``.

        Raises:
            ValueError: the data set has too few contexts, or none that is not held out.
        """
        used: list[Question] = [] if held_out is None else list(held_out.questions)
        if {question.context for question in used} >= {question.context for question in dataset.questions}:
            raise ValueError("all contexts of the data are held out; expected a file of other texts")

        def choose(count: int) -> Sequence[Question]:
            left = hold_out(dataset, used, count=len(dataset), seed=config.seed)
            chosen = choose_questions(left, count=count, seed=config.seed)
            used.extend(chosen)
            return chosen

        samples, validation, search = (
            choose(count) for count in (config.samples, config.validation, config.windows)
        )
        if held_out is None:
            measured = hold_out(dataset, used, count=config.held_out, seed=config.seed)
            kept = [*validation, *search, *measured.questions]
        else:
            measured = hold_out(held_out, (), count=config.held_out, seed=config.seed)
            kept = [*validation, *search, *held_out.questions]
        training, more = (
            hold_out(dataset, kept, count=count, seed=config.seed)
            for count in (config.training, len(dataset))
        )
        return cls(
            samples=samples,
            validation=validation,
            search=search,
            held_out=measured,
            training=training.questions,
            more_training=more.questions,
        )
