"""Pruned networks to distil, and the loss by numpy."""

from typing import Any

import networks
import numpy as np
from checkpoints import OUTPUTS, Batch, run
from numpy.typing import NDArray
from spanjet.compress.prune.network import Network
from spanjet.model.layer_shape import LayerShape
from spanjet.runtime.openvino import ops, ov, shared_core


def cut(
    network: Network,
    *,
    seed: int = 3,
    shapes: tuple[LayerShape, ...] = (LayerShape(3, 32), LayerShape(2, 64)),
) -> Network:
    """Other weights, fewer heads and units."""
    generator = np.random.default_rng(seed)
    small = networks.sliced(network, networks.simple_orders(network), shapes)
    names = [name for name in small.tensors if name.startswith(network.architecture.layers)]
    noisy = {
        name: (small.tensors[name] * generator.uniform(0.7, 1.3, small.tensors[name].shape)).astype(
            np.float32
        )
        for name in names
    }
    return small.with_layers(shapes, noisy)


def values_of(network: Network, names: list[str], batch: Batch) -> list[NDArray[Any]]:
    """Of some nodes."""
    model = network.build()
    nodes = {node.get_friendly_name(): node for node in model.get_ordered_ops()}
    tapped = ov.Model([ops.result(nodes[name].output(0)) for name in names], model.get_parameters(), "tapped")
    compiled = shared_core().compile_model(tapped, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    given = compiled(dict(batch))
    return [np.array(given[index]) for index in range(len(names))]


def vectors(network: Network, batch: Batch) -> list[NDArray[np.float64]]:
    """After each layer."""
    names = [f"encoder.layer.{index}.ffn.norm" for index in range(len(network.shapes))]
    return [values.astype(np.float64) for values in values_of(network, names, batch)]


def loss(network: Network, start: Network, batch: Batch, weight: float) -> float:
    """The loss of `Distillation`, by numpy."""
    mask = batch["attention_mask"] == 1
    total = 0.0
    found_by = [run(each.build(), batch) for each in (network, start)]
    for name in OUTPUTS:
        wanted, found = (np.where(mask, each[name].astype(np.float64), -np.inf) for each in found_by)
        wanted, found = (each - np.log(np.exp(each).sum(axis=1, keepdims=True)) for each in (wanted, found))
        likely = np.exp(wanted)
        total += float((likely[mask] * (wanted[mask] - found[mask])).sum()) / len(mask)
    errors = [
        np.square(found - wanted)[mask].sum() / np.square(wanted[mask]).sum()
        for wanted, found in zip(vectors(network, batch), vectors(start, batch), strict=True)
    ]
    return total + weight * float(np.mean(errors))
