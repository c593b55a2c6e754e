"""Narrowing: later layers change only the tokens that can still become the answer.

Where a layer's share of tokens is less than the one before, a linear probe of the vectors ranks the tokens,
and only the first of them go on. The others stay as they are and are still looked at by attention. Logits of
tokens that did not reach the end are `LEAST`. Dropping tokens between layers is known from PoWER-BERT (Goyal
et al. 2020, arXiv 2001.08950); there they are gone for good, which costs more accuracy here: MiniLM-L6 with
half and a quarter of the tokens in its last two layers lost 0.3 F1 this way, and 0.6 if they were gone.

How many tokens of a window go on depends on its own length alone, and tokens are kept in the order of their
ranks, so that nothing depends on what else is in the batch.
"""

from dataclasses import dataclass

import numpy as np

from spanjet.model.graph.blocks import Blocks
from spanjet.reader.batching import VECTOR
from spanjet.runtime.openvino import ops, ov

__all__ = ["LEAST", "Tokens", "kept_name", "places_name", "probe_name"]

LEAST = np.float32(-10000.0)
"""The logits of tokens that were left behind: less than any answer's."""

# The first token stands for "no answer" and always goes on; what was left behind never comes back.
_ALWAYS, _NEVER = np.float32(1e9), np.float32(-1e9)


def probe_name(layer: str) -> str:
    """The tensors of a layer's probe, before ``.weight`` [2, hidden] and ``.bias`` [2]."""
    return f"{layer}.narrowing"


def places_name(layer: str) -> str:
    """The node that says where the active tokens are, before a layer, see `Tokens`."""
    return f"{layer}.places"


def kept_name(layer: str) -> str:
    """The node that says which of the active tokens are to be changed, before a layer, see `Tokens`."""
    return f"{layer}.choice"


@dataclass(frozen=True)
class Tokens:
    """The vectors of a batch between two layers.

    Attributes:
        active: of the tokens that the next layer may change: [batch, active, hidden].
        mask: what attention scores are lowered by: [batch, 1, 1, length], first the active ones.
        lengths: tokens of each window, float32[batch, 1].
        passive: those that are only looked at: [batch, length - active, hidden]; None: there are none.
        places: where the active tokens are in their windows, int64[batch, active]; None: in order.
        kept: which of the active tokens are to be changed indeed, boolean[batch, active, 1]; None: all.
    """

    active: ov.Node
    mask: ov.Node
    lengths: ov.Node
    passive: ov.Node | None = None
    places: ov.Node | None = None
    kept: ov.Node | None = None

    @classmethod
    def all(cls, vectors: ov.Node, mask: ov.Node, attention_mask: ov.Node) -> "Tokens":
        """All tokens of a batch."""
        counted = ops.reduce_sum(ops.convert(attention_mask, "f32"), np.int64(1), True)
        return cls(vectors, mask, counted)

    @property
    def seen(self) -> ov.Node:
        """What attention looks at: [batch, length, hidden]."""
        return self.active if self.passive is None else ops.concat([self.active, self.passive], 1)

    def changed(self, vectors: ov.Node, *, name: str) -> "Tokens":
        """The same tokens after a layer."""
        if self.kept is not None:
            vectors = ops.select(self.kept, vectors, self.active, name=f"{name}.kept")
        return Tokens(vectors, self.mask, self.lengths, self.passive, self.places, self.kept)

    def narrowed(self, blocks: Blocks, share: float, *, width: int, name: str, tensor: str) -> "Tokens":
        """The tokens that a probe ranks first.

        Args:
            blocks: holds the probe.
            share: of the window's tokens, above 0 and less than before.
            width: of a vector.
            name: of the layer that follows.
            tensor: see `probe_name`.
        """
        scores = self._scores(blocks, width=width, name=name, tensor=tensor)
        active = _dimension(self.active)
        wanted = ops.ceiling(ops.multiply(_float(_length(self.mask)), np.float32(share / VECTOR)))
        count = ops.minimum(ops.multiply(ops.convert(wanted, "i64"), np.int64(VECTOR)), active)
        order = ops.topk(scores, _scalar(active), 1, "max", "value", stable=True).output(1)
        order = ops.convert(order, "i64")
        ranked = ops.gather(self.active, order, np.int64(1), batch_dims=1, name=f"{name}.ranked")
        mask = self._ranked_mask(order, active)
        places = order if self.places is None else ops.gather(self.places, order, np.int64(1), batch_dims=1)
        zero, end = np.array([0], np.int64), np.array([np.iinfo(np.int64).max], np.int64)
        left = _cut(ranked, count, end)
        ranks = _float(ops.unsqueeze(ops.range(np.int64(0), _scalar(count), np.int64(1), "i64"), zero))
        limit = ops.maximum(ops.ceiling(ops.multiply(self.lengths, np.float32(share))), np.float32(1))
        places, kept = (
            _cut(places, zero, count),
            ops.unsqueeze(ops.less(ranks, limit), np.array([2], np.int64)),
        )
        places.set_friendly_name(places_name(name))
        kept.set_friendly_name(kept_name(name))
        return Tokens(
            active=_cut(ranked, zero, count),
            mask=mask,
            lengths=self.lengths,
            passive=left if self.passive is None else ops.concat([left, self.passive], 1),
            places=places,
            kept=kept,
        )

    def spread(self, logits: ov.Node, *, name: str) -> ov.Node:
        """Logits of the active tokens in their places: [batch, active, 2] -> [batch, length, 2]."""
        if self.places is None or self.kept is None:
            return logits
        certain = ops.select(self.kept, logits, LEAST)
        batch = ops.gather(ops.shape_of(self.mask), np.array([0], np.int64), np.int64(0))
        two = np.array([2], np.int64)
        whole = ops.broadcast(LEAST, ops.concat([batch, _length(self.mask), two], 0))
        places = ops.broadcast(ops.unsqueeze(self.places, two), ops.shape_of(logits))
        return ops.scatter_elements_update(whole, places, certain, np.int64(1), name=name)

    def _scores(self, blocks: Blocks, *, width: int, name: str, tensor: str) -> ov.Node:
        """What the active tokens are ranked by: float32[batch, active]."""
        ranks = blocks.linear(self.active, inputs=width, outputs=2, name=f"{name}.narrowing", tensor=tensor)
        scores = ops.reduce_max(ranks, np.int64(2), False)
        active = _dimension(self.active)
        if self.places is None:
            first = ops.equal(ops.range(np.int64(0), _scalar(active), np.int64(1), "i64"), np.int64(0))
            padding = ops.squeeze(self.mask, np.array([1, 2], np.int64))
            return ops.select(first, _ALWAYS, ops.add(scores, padding))
        # Places are of windows, so that 0 is the first token, wherever it stands now.
        scores = ops.select(ops.equal(self.places, np.int64(0)), _ALWAYS, scores)
        return ops.select(ops.squeeze(self.kept, np.array([2], np.int64)), scores, _NEVER)

    def _ranked_mask(self, order: ov.Node, active: ov.Node) -> ov.Node:
        flat = ops.squeeze(self.mask, np.array([1, 2], np.int64))
        zero, end = np.array([0], np.int64), np.array([np.iinfo(np.int64).max], np.int64)
        head = ops.gather(_cut(flat, zero, active), order, np.int64(1), batch_dims=1)
        whole = ops.concat([head, _cut(flat, active, end)], 1)
        return ops.unsqueeze(whole, np.array([1, 2], np.int64))


def _cut(values: ov.Node, start: ov.Node, stop: ov.Node) -> ov.Node:
    """Part of the second axis."""
    one = np.array([1], np.int64)
    return ops.slice(values, start, stop, one, one)


def _dimension(vectors: ov.Node) -> ov.Node:
    """The second axis of [batch, tokens, hidden], int64[1]."""
    return ops.gather(ops.shape_of(vectors), np.array([1], np.int64), np.int64(0))


def _length(mask: ov.Node) -> ov.Node:
    """The last axis of [batch, 1, 1, length], int64[1]."""
    return ops.gather(ops.shape_of(mask), np.array([3], np.int64), np.int64(0))


def _scalar(values: ov.Node) -> ov.Node:
    """int64[1] to int64[]."""
    return ops.squeeze(values, np.array([0], np.int64))


def _float(values: ov.Node) -> ov.Node:
    return ops.convert(values, "f32")
