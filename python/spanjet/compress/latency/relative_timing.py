"""Times of many models as shares of one model's, which runs again and again between them."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from spanjet.compress.latency.typical_batches import RandomBatch
from spanjet.measure.rounds import WARM_UPS, timed
from spanjet.runtime.engine import Runtime

__all__ = ["relative_times", "runner"]

# Models that run between two runs of the anchor.
_BETWEEN = 4


def runner(runtime: Runtime, batches: Sequence[RandomBatch]) -> Callable[[], None]:
    """What runs all batches as bulk work and lets go of their logits."""

    def run() -> None:
        for _ in runtime.run(batches):
            pass

    return run


def relative_times(
    sides: Mapping[str, Callable[[], None]],
    anchor: Callable[[], None],
    *,
    rounds: int,
    on_turn: Callable[[], None] = lambda: None,
) -> tuple[dict[str, float], float]:
    """The time of each side over that of the anchor, medians of rounds in random order.

    A machine whose speed changes, or on which others work, slows the anchor as much as what runs before and
    after it.

    Args:
        sides: what is timed, by name; each runs `WARM_UPS` times beforehand.
        anchor: runs before and after every few sides.
        rounds: at least 1.
        on_turn: called after each run of a side, ``len(sides) * (rounds + WARM_UPS)`` times.

    Returns:
        The ratios, and the anchor's median time in seconds.
    """
    generator = np.random.default_rng(0)
    found: dict[str, list[float]] = {name: [] for name in sides}
    for side in (anchor, *sides.values()):
        for _ in range(WARM_UPS):
            side()
            if side is not anchor:
                on_turn()
    anchors = [timed(anchor).wall]
    for _ in range(rounds):
        names = [list(sides)[place] for place in generator.permutation(len(sides)).tolist()]
        for first in range(0, len(names), _BETWEEN):
            group = names[first : first + _BETWEEN]
            walls = []
            for name in group:
                walls.append(timed(sides[name]).wall)
                on_turn()
            anchors.append(timed(anchor).wall)
            beside = (anchors[-1] + anchors[-2]) / 2
            for name, wall in zip(group, walls, strict=True):
                found[name].append(wall / beside)
    return {name: float(np.median(ratios)) for name, ratios in found.items()}, float(np.median(anchors))
