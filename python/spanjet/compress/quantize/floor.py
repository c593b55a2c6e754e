"""Find the variant of an INT8 model that holds an accuracy floor."""

from dataclasses import dataclass, field, replace
from typing import Any

from spanjet.compress.card import rounded
from spanjet.compress.quantize.bisect import fewest
from spanjet.compress.quantize.config import QuantizeConfig
from spanjet.compress.quantize.trials import Trials, Variant
from spanjet.evaluate import SquadDataset, best_f1

__all__ = ["FloorSearch"]


@dataclass(frozen=True, kw_only=True)
class FloorSearch:
    """Search for the variant that holds the floor with the fewest restored layers.

    Attributes:
        trials: the variants.
        config: the floor, and the limits of the search.
        dataset: held-out questions.
        tried: scores of the variants that were measured.
    """

    trials: Trials
    config: QuantizeConfig
    dataset: SquadDataset
    tried: dict[Variant, dict[str, Any]] = field(default_factory=dict)

    def run(self) -> tuple[Variant, bool]:
        """Find the variant to write.

        Where the precision of embedding tables is ``"auto"``, the search runs with INT8 ones, which become
        INT4 if the floor still holds.

        Returns:
            The variant, and True if it holds the floor; otherwise it is the best of those tried.

        Raises:
            ValueError: no variant holds the floor, and ``keep_best`` is not set.
        """
        found = self._fewest_restored()
        if found is None:
            best = max(self.tried, key=lambda variant: best_f1(self.tried[variant]))
            if not self.config.keep_best:
                raise ValueError(self._missed(best))
            return best, False
        smaller = replace(found, embeddings="int4")
        is_open = self.config.embedding_precision == "auto" and self.trials.suits_int4
        return (smaller if is_open and self._holds(smaller) else found), True

    def float_scores(self) -> dict[str, Any]:
        """Return the scores of the original model in float32."""
        return self.trials.float_scores(self._name, self.dataset)

    def describe(self) -> dict[str, Any]:
        """Describe the held-out questions and the measurements, for the model card."""
        order = sorted(self.tried, key=lambda variant: (len(variant.restored), variant.embeddings != "int8"))
        is_ranked = any(variant.restored for variant in self.tried)
        return {
            "contexts": len({question.context for question in self.dataset.questions}),
            "seed": self.config.seed,
            "floor": self.config.floor,
            "tried": [self._describe(variant) for variant in order],
            "sensitivity": self.trials.gains(self.config.first_precision) if is_ranked else None,
        }

    @property
    def _name(self) -> str:
        return f"F1 of {len(self.dataset)} held out"

    @property
    def _share(self) -> float:
        return self.config.floor or 0.0

    def _holds(self, variant: Variant) -> bool:
        """Measure a variant, and return True if it holds the floor."""
        least = self._share * best_f1(self.float_scores())
        self.tried[variant] = self.trials.int8_scores(self._name, variant, self.dataset)
        return best_f1(self.tried[variant]) >= least

    def _fewest_restored(self) -> Variant | None:
        layers, limit = len(self.trials.layers), self.config.max_restored

        def variant(count: int) -> Variant:
            return self.trials.variant(count, self.config.first_precision)

        if self._holds(variant(0)):
            return variant(0)
        most = min(layers // 2 if limit is None else limit, layers)
        count = fewest(lambda count: self._holds(variant(count)), most)
        return None if count is None else variant(count)

    def _describe(self, variant: Variant) -> dict[str, Any]:
        return {
            "restored": len(variant.restored),
            "embeddings": variant.embeddings,
            "embedding_bytes": self.trials.embedding_bytes(variant),
            **rounded(self.tried[variant]),
        }

    def _missed(self, best: Variant) -> str:
        before, after = best_f1(self.float_scores()), best_f1(self.tried[best])
        most = max(len(variant.restored) for variant in self.tried)
        return (
            f"the floor is not held: F1 is {after:.2f} at best, {after / before:.2%} of the float32 model's "
            f"{before:.2f}, with {len(best.restored)} layers restored of {most} at most, and the floor is "
            f"{self._share:.2%}: lower it, let more layers be restored, or keep the best; what was measured "
            f"is kept in {self.trials.store.path}"
        )
