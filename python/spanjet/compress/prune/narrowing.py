"""Which tokens later layers may leave behind: probes that rank them, and how far it pays to go."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spanjet.compress.prune.network import Network
from spanjet.compress.prune.packing import Inputs, Taps, pack
from spanjet.model.graph.narrowing import probe_name
from spanjet.model.layer_shape import LayerShape

__all__ = ["SHARES", "Shares", "find_shares", "fit_probes", "narrow", "widened"]

#: Shares of a window's tokens that a layer may change.
SHARES = (1.0, 2 / 3, 1 / 2, 1 / 3, 1 / 4, 1 / 8)
#: No wider selections are tried beyond this divergence, in nats: most of the accuracy is gone there.
_MOST = 0.4

# What a probe is fitted to: log-odds against the best token, down to this; tokens near the best count most.
_LEAST, _BASE_WEIGHT = -8.0, 0.02
_RIDGE = 1e-3
_LOGITS = ("start_logits", "end_logits")

#: The share of tokens of each layer.
Shares = tuple[float, ...]


def fit_probes(
    network: Network, inputs: Sequence[Inputs], *, on_batch: Callable[[int, int], None] = lambda _a, _b: None
) -> dict[str, NDArray[np.float32]]:
    """Probes of all layers but the first: linear guesses of the final logits from a layer's input.

    Weighted ridge regression of the logits' distance from the window's greatest, in which a token counts by
    the square root of its probability.

    Args:
        network: whose layers all change all tokens.
        inputs: windows.
        on_batch: called with the numbers of finished and of all batches.

    Returns:
        The tensors of the probes, by name; see `spanjet.model.graph.narrowing.probe_name`.
    """
    layers, width = range(1, len(network.shapes)), network.architecture.hidden_size
    names = {index: f"encoder.layer.{index - 1}.ffn.norm" for index in layers}
    taps = Taps(network, [*_LOGITS, *names.values()])
    left = {name: np.zeros((width + 1, width + 1)) for name in names.values()}
    right = {name: np.zeros((width + 1, 2)) for name in names.values()}
    batches = pack(inputs, padding=network.architecture.pad_token_id)
    for done, batch in enumerate(batches, 1):
        targets: list[NDArray[np.float64]] = []
        for name, values in taps(batch):
            if name in _LOGITS:
                targets.append(_distances(values[:, 0], batch["attention_mask"].sum(axis=1)))
                continue
            target = np.stack(targets, axis=1)
            weight = np.exp(target.max(axis=1, keepdims=True) / 2) + _BASE_WEIGHT
            extended = np.concatenate([values, np.ones((len(values), 1))], axis=1)
            left[name] += extended.T @ (weight * extended)
            right[name] += extended.T @ (weight * target)
        on_batch(done, len(batches))
    probes: dict[str, NDArray[np.float32]] = {}
    for index, name in names.items():
        ridge = _RIDGE * np.trace(left[name]) / (width + 1) * np.eye(width + 1)
        solved = np.linalg.solve(left[name] + ridge, right[name])
        probe = probe_name(f"{network.architecture.layers}.{index}")
        probes[f"{probe}.weight"] = np.ascontiguousarray(solved[:-1].T, np.float32)
        probes[f"{probe}.bias"] = solved[-1].astype(np.float32)
    return probes


def _distances(logits: NDArray[np.float32], lengths: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of windows one behind the other: each logit less its window's greatest, `_LEAST` at least."""
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    greatest = np.repeat(np.maximum.reduceat(logits, starts), lengths)
    distances: NDArray[np.float64] = np.maximum(logits - greatest, _LEAST).astype(np.float64)
    return distances


def narrow(network: Network, shares: Sequence[float], probes: Mapping[str, NDArray[np.float32]]) -> Network:
    """The network whose layers change these shares of the tokens."""
    shapes = [replace(shape, tokens=share) for shape, share in zip(network.shapes, shares, strict=True)]
    return network.with_layers(shapes, probes)


def widened(shapes: Sequence[LayerShape]) -> tuple[LayerShape, ...]:
    """The same layers, which all change all tokens."""
    return tuple(replace(shape, tokens=1.0) for shape in shapes)


def find_shares(
    layers: int,
    divergence: Callable[[Shares], float],
    seconds: Callable[[Shares], float],
    *,
    on_measured: Callable[[], None] = lambda: None,
) -> list[Shares]:
    """Selections of tokens, from all to few.

    Each step takes the layer that costs least for the time it frees. One that frees none, since choosing
    tokens takes time too, is taken where no other is left: the next share of that layer may free some.

    Args:
        layers: of the network. The first changes all tokens.
        divergence: of the network with these shares and nothing else cut.
        seconds: that it takes.
        on_measured: called for each selection that is compared.
    """
    found = [(1.0,) * layers]
    cost = 0.0
    while True:
        steps = []
        for following in _lowered(found[-1]):
            change = max(divergence(following) - cost, 0.0)
            freed = seconds(found[-1]) - seconds(following)
            steps.append((change / freed if freed > 0 else math.inf, change, following))
            on_measured()
        if not steps:
            return found
        best = min(steps)[2]
        cost = divergence(best)
        if cost > _MOST:
            return found
        found.append(best)


def _lowered(shares: Shares) -> list[Shares]:
    """Each with one layer on the next lower share, where no later layer has more than that."""
    lowered = []
    for index in range(1, len(shares)):
        lower = [share for share in SHARES if share < shares[index]]
        if lower and all(share <= lower[0] for share in shares[index + 1 :]):
            lowered.append((*shares[:index], lower[0], *shares[index + 1 :]))
    return lowered
