"""What a training run depends on, and how far it is."""

from dataclasses import dataclass

from recipes.examples import MAX_LENGTH, Sampling
from recipes.losses import Distillation

__all__ = ["Place", "Settings"]


@dataclass(slots=True)
class Place:
    """How far a run is.

    Attributes:
        epoch, batch: ``batch`` batches of the epoch are done.
        step: steps that were made.
        seen: windows that were trained on.
        seconds: time that was spent.
        begun: step at which the optimizer began anew.
        cuts: how often the network was cut.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    seen: int = 0
    seconds: float = 0.0
    begun: int = 0
    cuts: int = 0


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run depends on; a state of other settings is refused, its length aside.

    Attributes:
        total: windows seen in the whole run; 0: its length is ``minutes``.
        cool_down: share of the run, at its end, over which the rate falls to 0.
        rate: of AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101).
        warm_up: steps over which it rises.
        tokens: rows times length of a batch at most.
        seed: of the answer head, the windows and their order.
        elsewhere, article, unanswered, max_length: see `Sampling`.
        frozen: layers at the bottom that stay as they are, with the embeddings and relative biases below
            them; 0: everything is trained.
        frozen_tables: the word table and the relative biases stay as they are.
        dropout: share of the embeddings' and blocks' outputs that are dropped (Srivastava et al. 2014).
        minutes: time that the run takes in all, in place of ``total``.
        teacher_weight, temperature, hidden_weight: see `Distillation`.
    """

    total: int
    cool_down: float
    rate: float
    warm_up: int
    tokens: int
    seed: int
    elsewhere: float
    article: float
    unanswered: float = 1.0
    max_length: int = MAX_LENGTH
    frozen: int = 0
    frozen_tables: bool = False
    dropout: float = 0.0
    minutes: float = 0.0
    teacher_weight: float = 0.0
    temperature: float = 1.0
    hidden_weight: float = 0.0

    def __post_init__(self) -> None:
        if (self.total > 0) == (self.minutes > 0):
            raise ValueError("a run has a number of windows (--total) or a time (--minutes); expected one")
        if self.warm_up < 1:
            raise ValueError(f"warm_up is {self.warm_up} steps; expected at least 1")
        for name in ("cool_down", "teacher_weight"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected 0 to 1")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; expected 0 to less than 1")

    def progress(self, place: Place) -> float:
        """Compute the share of the run that is done."""
        return place.seconds / (60 * self.minutes) if self.minutes else place.seen / self.total

    def rate_at(self, place: Place) -> float:
        """Compute the rate of the next step."""
        left = (1 - self.progress(place)) / self.cool_down if self.cool_down else 1.0
        return self.rate * min(1.0, (place.step - place.begun + 1) / self.warm_up, max(0.0, left))

    @property
    def sampling(self) -> Sampling:
        """Return which windows are drawn."""
        return Sampling(self.elsewhere, self.article, self.unanswered, self.max_length)

    @property
    def weights(self) -> Distillation:
        """Return the weights of the losses."""
        return Distillation(self.teacher_weight, self.temperature, self.hidden_weight)
