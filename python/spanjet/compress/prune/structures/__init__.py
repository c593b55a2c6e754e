"""Register the prunable structures; a new one is a module of its own and an entry of `STRUCTURES`."""

from spanjet.compress.prune.network import Network
from spanjet.compress.prune.structures.attention_heads import AttentionHeads
from spanjet.compress.prune.structures.feed_forward_units import FeedForwardUnits
from spanjet.compress.prune.structures.structure import BlockKey, Structure
from spanjet.model.graph.encoder import Encoder

__all__ = ["STRUCTURES", "BlockKey", "Structure", "blocks_of", "levels_of"]

#: In the order in which a layer computes them.
STRUCTURES: tuple[Structure, ...] = (AttentionHeads(), FeedForwardUnits())


def blocks_of(network: Network) -> list[tuple[Structure, int]]:
    """List the blocks of a network layer by layer, each as a structure and the index of its layer."""
    return [(structure, layer) for layer in range(len(network.shapes)) for structure in STRUCTURES]


def levels_of(config: Encoder) -> dict[str, list[int]]:
    """List the candidate sizes of a block, by the names of the structures; see `Structure.levels`."""
    return {structure.name: structure.levels(config) for structure in STRUCTURES}
