"""Train a pruned network on what the original answers; a training can be stopped and continued."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spanjet.compress.distill.adam import Adam
from spanjet.compress.distill.distillation import Distillation
from spanjet.compress.distill.training_state import TrainingState
from spanjet.compress.prune.network import Network
from spanjet.compress.prune.packing import Inputs, backward_tokens, pack
from spanjet.measure.progress import OnStep, ignore_step

__all__ = ["Training", "distil"]

Batch = dict[str, NDArray[np.int32]]

# Windows that are sorted by length together, and tokens of an optimiser step, in as many batches as memory
# requires. After 2,048 windows, at 0.62 of the time, a divergence of 0.164 became 0.132 with 3,072 tokens and
# a rate of 6e-5 or 1.2e-4; 0.125 with 1,536 and 6e-5, 0.129 with 1.2e-4; 0.124 with 768 and 6e-5, 0.127 with
# 3e-5.
_SHUFFLED, _TOKENS = 512, 1536
# Rejected: reference answers beside the original's probabilities (shares of 0.1 and 0.3), and averages of the
# weights (decay 0.99). After 3,072 windows of a MiniLM-L6 pruned to two thirds, F1 on 1,200 questions
# was 73.9, 74.1 and 73.8, against 73.9 without them; the divergence 0.195, 0.197 and 0.195, against 0.195.
# Share of the windows over which the learning rate rises, and their number at most.
_WARMUP, _LONGEST_WARMUP = 0.05, 4096


@dataclass(frozen=True, kw_only=True)
class Training:
    """Settings of a training.

    Attributes:
        windows: number of windows to see; those given are seen again, in another order, as often as needed.
            None: each of them once.
        rate: highest learning rate; it rises at first, and then falls to 0 by a cosine.
        seed: seed of the order of the windows.
        save_every: seconds from one stored state to the next.
    """

    windows: int | None = None
    rate: float = 6e-5
    seed: int = 0
    save_every: float = 60.0

    def rate_at(self, seen: int, total: int) -> float:
        """Return the learning rate when so many of all windows have been seen."""
        rising = seen / min(_WARMUP * total, _LONGEST_WARMUP)
        return float(self.rate * min(1.0, rising) * 0.5 * (1 + np.cos(np.pi * seen / total)))


def distil(
    teacher: Network,
    student: Network,
    inputs: Sequence[Inputs],
    *,
    training: Training | None = None,
    state: Path | None = None,
    on_step: OnStep = ignore_step,
) -> Network:
    """Train a pruned network on the outputs and hidden states of the original.

    A gradient with non-finite values is computed once more, and its step is skipped if that does not help, as
    in mixed-precision training (Micikevicius et al. 2018, arXiv 1710.03740): one such value would ruin all
    weights.

    Args:
        teacher: the original network.
        student: the pruned network.
        inputs: training windows, as `spanjet.compress.prune.packing.pack` takes them.
        training: settings; default: ``Training()``.
        state: file that the state is stored in, and from which a stopped training goes on, to the same bits;
            it stays at the end. None: it is not stored.
        on_step: called after each optimiser step with the number of seen and of all windows.

    Returns:
        The trained network; embeddings are not trained.

    Raises:
        ValueError: there are no windows, or the state is another training's.
    """
    if not inputs:
        raise ValueError("there are no windows to train on")
    training = training or Training()
    total = training.windows or len(inputs)
    distillation = Distillation(teacher, student)
    adam = Adam(distillation.weights)
    store = TrainingState(state, {"weights": distillation.weights, **adam.arrays()})
    place, saved = store.load(), time.monotonic()
    adam.steps = place.updates
    while place.seen < total:
        steps = _steps(inputs, teacher, seed=(training.seed, place.epoch))
        for batches in steps[place.step :]:
            gradient = _finite_mean(distillation, batches)
            place = place.after(sum(map(_windows, batches)), updated=gradient is not None)
            seen = min(place.seen, total)
            if gradient is not None:
                adam.step(gradient, training.rate_at(seen, total))
            if time.monotonic() - saved > training.save_every:
                store.save(place)
                saved = time.monotonic()
            on_step(seen, total)
            if seen == total:
                break
        else:
            place = place.next_epoch()
    return student.with_tensors(distillation.tensors())


def _steps(inputs: Sequence[Inputs], teacher: Network, *, seed: Sequence[int]) -> list[list[Batch]]:
    """Divide the windows into optimiser steps of batches of similar length, in random order."""
    padding, generator = teacher.architecture.pad_token_id, np.random.default_rng(seed)
    tokens = min(backward_tokens(teacher), _TOKENS)
    order = generator.permutation(len(inputs)).tolist()
    batches = []
    for first in range(0, len(order), _SHUFFLED):
        chosen = [inputs[index] for index in order[first : first + _SHUFFLED]]
        chunk = pack(chosen, padding=padding, tokens=tokens)
        batches += [chunk[place] for place in generator.permutation(len(chunk)).tolist()]
    together = round(_TOKENS / tokens)
    return [batches[first : first + together] for first in range(0, len(batches), together)]


def _finite_mean(distillation: Distillation, batches: Sequence[Inputs]) -> NDArray[np.float32] | None:
    """Compute the mean gradient; None if it is not finite twice in a row.

    One of twenty trainings of a MiniLM-L6 on 2,048 windows ended with non-finite logits; repeating it never
    reproduced that, and the cause is unknown.
    """
    for _ in range(2):
        gradient = _mean(distillation, batches)
        if np.isfinite(gradient).all():
            return gradient
    return None


def _mean(distillation: Distillation, batches: Sequence[Inputs]) -> NDArray[np.float32]:
    """Average the gradient over the windows of some batches."""
    together = sum(map(_windows, batches))
    total = np.zeros_like(distillation.weights)
    for batch in batches:
        total += distillation(batch) * np.float32(_windows(batch) / together)
    return total


def _windows(batch: Inputs) -> int:
    return len(batch["input_ids"])
