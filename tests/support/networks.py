"""Small networks, windows for them, and what numpy makes of both, step by step."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from checkpoints import TINY, Batch, copy
from numpy.typing import NDArray
from spanjet.compress.prune.network import Network
from spanjet.compress.prune.optimal_brain_surgeon import Order
from spanjet.compress.prune.removal_order import Orders
from spanjet.compress.prune.structures import blocks_of
from spanjet.model.layer_shape import LayerShape


def tiny() -> Network:
    """Hidden size 32, two layers of four heads and 64 units."""
    return Network.load(TINY)


def load(name: str, directory: Path) -> Network:
    """A network of that architecture, hidden size 16, two layers of two heads and 24 units."""
    return Network.load(copy(name, directory / name))


def windows(network: Network, lengths: Sequence[int], *, seed: int = 0) -> list[Batch]:
    """One window of each length, without padding."""
    generator = np.random.default_rng(seed)
    made = []
    for length in lengths:
        ids = generator.integers(5, 159, (1, length), dtype=np.int32)
        every = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": ids % 2}
        names = ["input_ids", "attention_mask"]
        if network.architecture.layout.token_types:
            names.append("token_type_ids")
        made.append({name: every[name] for name in names})
    return made


def alive(network: Network, seed: int = 0) -> Network:
    """The network with weights of some size, so that its blocks matter and its units differ."""
    generator = np.random.default_rng(seed)
    tensors = {
        name: (value * generator.uniform(1, 12, value.shape)).astype(np.float32)
        for name, value in network.tensors.items()
        if name.startswith(network.architecture.layers) and "orm" not in name
    }
    return network.with_tensors(tensors)


def simple_orders(network: Network, seed: int = 0) -> Orders:
    """Any order, with errors that grow evenly."""
    generator = np.random.default_rng(seed)

    def order(count: int) -> Order:
        return Order(generator.permutation(count).astype(np.int64), np.linspace(0, 1, count + 1))

    # All layers' heads first, then their units.
    blocks = sorted(blocks_of(network), key=lambda block: (block[0].name, block[1]))
    return Orders(
        {(structure.name, layer): order(structure.size(network.shapes[layer])) for structure, layer in blocks}
    )


def sliced(network: Network, orders: Orders, shapes: Sequence[LayerShape]) -> Network:
    """The network without what the orders remove first, and nothing refitted."""
    tensors: dict[str, NDArray[np.float32]] = {}
    for structure, layer in blocks_of(network):
        kept = orders.blocks[structure.name, layer].kept(structure.size(shapes[layer]))
        tensors |= structure.slice(network, layer, kept)
    return network.with_layers(shapes, tensors)


def describe(directory: Path, **values: Any) -> None:
    """Write the key ``spanjet`` of a checkpoint's configuration."""
    path = directory / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "spanjet": values}))
