"""Build the blocks of transformer encoders from OpenVINO operations.

Every node has a hierarchical name, such as ``encoder.layer.3.attention.query``; its weights have the same
name with ``.weight`` and ``.bias``. Quantization, profiles and pruning find nodes by these names, which are
the same for all architectures.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from spanjet.model.graph.activation_functions import activate
from spanjet.model.graph.tensors import TensorSource
from spanjet.runtime.openvino import ops, ov

__all__ = ["FIXED", "MASKED", "Biases", "Blocks", "LayerTensors", "ScoreBias"]

#: Builder of what is added to attention scores, from queries, keys [batch, heads, length, head_size] each,
#: and a name.
ScoreBias = Callable[[ov.Node, ov.Node, str], ov.Node]
#: What is added to attention scores one after another, each broadcast to [batch, heads, length, length].
Biases = tuple[ov.Node | ScoreBias, ...]

#: The end of the names of constants in floating point that are no parameters, such as sines of positions.
FIXED = ".fixed"

#: What is added to the attention scores of padding. Large enough for a probability of exactly 0 in float32,
#: and finite in every precision, so that a row of padding alone gives no NaN.
MASKED = np.float32(-10000.0)


@dataclass(frozen=True, kw_only=True)
class LayerTensors:
    """Names of the tensors of one encoder layer in a checkpoint, relative to the layer's name."""

    query: str
    key: str
    value: str
    attention_output: str
    attention_norm: str
    up: str
    down: str
    ffn_norm: str


class Blocks:
    """Builder of blocks from the weights of one checkpoint.

    Hidden states ("vectors") are float32[batch, length, hidden]. In every method ``name`` is the friendly
    name of the block's last node and ``tensor`` is the block's name in the checkpoint. Blocks that have a
    tensor in common share one constant, which is named after the first of them.

    Args:
        weights: tensors of the checkpoint.
        layer_norm_eps: epsilon of layer normalisation, added to the variance.

    Attributes:
        weights: tensors of the checkpoint.
    """

    def __init__(self, weights: TensorSource, *, layer_norm_eps: float) -> None:
        self.weights = weights
        self._eps = layer_norm_eps
        self._constants: dict[str, ov.Node] = {}

    def lookup(self, indices: ov.Node, *, rows: int, width: int, name: str, tensor: str) -> ov.Node:
        """Look up rows of an embedding table: int32[batch, length] -> [batch, length, width]."""
        table = self._constant(f"{name}.weight", f"{tensor}.weight", (rows, width))
        return ops.gather(table, indices, np.int64(0), name=name)

    def row(self, index: int, *, rows: int, width: int, name: str, tensor: str) -> ov.Node:
        """Take one row of an embedding table for all tokens, [width]."""
        return ops.constant(self.weights.take(f"{tensor}.weight", (rows, width))[index], name=name)

    def positions(
        self, length: ov.Node, *, rows: int, width: int, name: str, tensor: str, first: int = 0
    ) -> ov.Node:
        """Slice ``length`` (int64[1]) rows of a table from row ``first`` on: [length, width].

        A slice, not a gather: beyond the table's end a gather silently reads zeros, while a slice is too
        short and the addition that follows it fails.
        """
        values = self.weights.take(f"{tensor}.weight", (rows, width))
        table = ops.constant(values[first:], name=f"{name}.weight", shared_memory=True)
        start, step, axes = (np.array([value], np.int64) for value in (0, 1, 0))
        return ops.slice(table, start, length, step, axes, name=name)

    def linear(
        self, vectors: ov.Node, *, inputs: int, outputs: int, name: str, tensor: str, biased: bool = True
    ) -> ov.Node:
        """Build a linear layer, ``vectors @ weight.T + bias``: [..., inputs] -> [..., outputs].

        Without ``biased`` there is no bias.
        """
        weight = self._constant(f"{name}.weight", f"{tensor}.weight", (outputs, inputs))
        if not biased:
            return ops.matmul(vectors, weight, False, True, name=name)
        bias = self.bias(width=outputs, name=name, tensor=tensor)
        product = ops.matmul(vectors, weight, False, True, name=f"{name}.product")
        return ops.add(product, bias, name=name)

    def bias(self, *, width: int, name: str, tensor: str) -> ov.Node:
        """Build a linear layer without inputs, which is its bias: [width]."""
        return self._constant(f"{name}.bias", f"{tensor}.bias", (width,))

    def layer_norm(
        self, vectors: ov.Node, *, width: int, name: str, tensor: str, biased: bool = True
    ) -> ov.Node:
        """Build layer normalisation over the last axis (Ba et al. 2016, arXiv 1607.06450).

        Without ``biased`` it only scales.
        """
        weight = self._constant(f"{name}.weight", f"{tensor}.weight", (width,))
        axis = ops.constant(np.array([-1], np.int64), name=f"{name}.axis")
        normal = ops.mvn(vectors, axis, True, self._eps, "inside_sqrt", name=f"{name}.normal")
        if not biased:
            return ops.multiply(normal, weight, name=name)
        bias = self._constant(f"{name}.bias", f"{tensor}.bias", (width,))
        return ops.add(ops.multiply(normal, weight, name=f"{name}.scaled"), bias, name=name)

    def affine(self, vectors: ov.Node, *, width: int, name: str, tensor: str) -> ov.Node:
        """Build an elementwise affine layer, ``vectors * weight + bias``, MobileBERT's "NoNorm"."""
        weight = self._constant(f"{name}.weight", f"{tensor}.weight", (width,))
        bias = self._constant(f"{name}.bias", f"{tensor}.bias", (width,))
        return ops.add(ops.multiply(vectors, weight, name=f"{name}.scaled"), bias, name=name)

    @staticmethod
    def zero_padding(vectors: ov.Node, attention_mask: ov.Node, *, name: str) -> ov.Node:
        """Set the hidden states of padding to zero."""
        mask = ops.convert(attention_mask, "f32", name=f"{name}.mask")
        column = ops.unsqueeze(mask, np.array([2], np.int64))
        column.set_friendly_name(f"{name}.column")
        return ops.multiply(vectors, column, name=name)

    @staticmethod
    def neighbours(vectors: ov.Node, *, reach: int, name: str) -> list[ov.Node]:
        """Shift hidden states by -``reach`` to ``reach`` positions, with zeros beyond the ends.

        Concatenated and followed by a linear layer, they form a convolution over the length.
        """
        pads, axis, step = (np.array(values, np.int64) for values in ([0, reach, 0], [1], [1]))
        padded = ops.pad(vectors, pads, pads, "constant", np.float32(0), name=f"{name}.padded")
        shifted = []
        for first in range(2 * reach + 1):
            stop = first - 2 * reach or np.iinfo(np.int64).max
            places = (np.array([place], np.int64) for place in (first, stop))
            shifted.append(ops.slice(padded, *places, step, axis, name=f"{name}.{first}"))
        return shifted

    @staticmethod
    def attention_bias(attention_mask: ov.Node, *, name: str) -> ov.Node:
        """Build the attention bias of padding: int32[batch, length] -> float32[batch, 1, 1, length]."""
        mask = ops.convert(attention_mask, "f32", name=f"{name}.mask")
        padding = ops.subtract(np.float32(1.0), mask, name=f"{name}.padding")
        lowered = ops.multiply(padding, MASKED, name=f"{name}.lowered")
        bias = ops.unsqueeze(lowered, np.array([1, 2], np.int64))
        bias.set_friendly_name(name)  # unsqueeze drops its own name argument
        return bias

    def attention(
        self,
        vectors: ov.Node,
        biases: Biases,
        *,
        width: int,
        heads: int,
        head_size: int,
        name: str,
        tensors: LayerTensors,
        layer: str,
    ) -> ov.Node:
        """Build multi-head self-attention (Vaswani et al. 2017, arXiv 1706.03762) with output projection."""
        # Rejected, in windows/s of INT8 MiniLM-L6 on two cores, against 228 (sorted batches of about 1,536
        # tokens) and 320 (static 6 x 160) here: OpenVINO's own attention operation 228 and 321, but with
        # fewer names; one product for query, key and value 216 and 329.
        inner = heads * head_size
        query, key, value = (
            self.heads(
                vectors,
                inputs=width,
                heads=heads,
                head_size=head_size,
                name=f"{name}.{part}",
                tensor=f"{layer}.{tensor}",
            )
            for part, tensor in (("query", tensors.query), ("key", tensors.key), ("value", tensors.value))
        )
        added = tuple(
            bias if isinstance(bias, ov.Node) else bias(query, key, f"{name}.distances") for bias in biases
        )
        context = self.attend(query, key, value, added, scale=head_size**-0.5, inner=inner, name=name)
        output = f"{layer}.{tensors.attention_output}"
        return self.linear(context, inputs=inner, outputs=width, name=f"{name}.output", tensor=output)

    def heads(
        self,
        vectors: ov.Node,
        *,
        inputs: int,
        heads: int,
        head_size: int,
        name: str,
        tensor: str,
        biased: bool = True,
    ) -> ov.Node:
        """Project to heads: [batch, length, inputs] -> [batch, heads, length, head_size]."""
        width = heads * head_size
        flat = self.linear(vectors, inputs=inputs, outputs=width, name=name, tensor=tensor, biased=biased)
        split = np.array([0, 0, heads, head_size], np.int64)
        by_head = ops.reshape(flat, split, True, name=f"{name}.by_head")
        return ops.transpose(by_head, np.array([0, 2, 1, 3], np.int64), name=f"{name}.heads")

    @classmethod
    def attend(
        cls,
        query: ov.Node,
        key: ov.Node,
        value: ov.Node,
        biases: tuple[ov.Node, ...],
        *,
        scale: float,
        inner: int,
        name: str,
    ) -> ov.Node:
        """Build scaled dot-product attention with concatenated heads: -> [batch, length, inner].

        The biases are added to the scaled scores in their order.
        """
        context = cls.context(query, key, value, biases, scale=scale, name=name)
        return cls.concatenated(context, inner=inner, name=f"{name}.context")

    @staticmethod
    def context(
        query: ov.Node, key: ov.Node, value: ov.Node, biases: Biases, *, scale: float, name: str
    ) -> ov.Node:
        """Build scaled dot-product attention of each head, see `attend`: -> [batch, heads, length, width]."""
        product = ops.matmul(query, key, False, True, name=f"{name}.scores.product")
        scores = ops.multiply(product, np.float32(scale), name=f"{name}.scores.scaled")
        for index, bias in enumerate(biases, 1):
            last = index == len(biases)
            scores = ops.add(scores, bias, name=f"{name}.scores" if last else f"{name}.scores.biased.{index}")
        probabilities = ops.softmax(scores, -1, name=f"{name}.probabilities")
        return ops.matmul(probabilities, value, False, False, name=f"{name}.context.heads")

    @staticmethod
    def concatenated(heads: ov.Node, *, inner: int, name: str) -> ov.Node:
        """Concatenate heads: [batch, heads, length, width] -> [batch, length, inner]."""
        joined = ops.transpose(heads, np.array([0, 2, 1, 3], np.int64), name=f"{name}.by_head")
        return ops.reshape(joined, np.array([0, 0, inner], np.int64), True, name=name)

    def feed_forward(
        self,
        vectors: ov.Node,
        *,
        width: int,
        units: int,
        activation: str,
        name: str,
        tensors: LayerTensors,
        layer: str,
    ) -> ov.Node:
        """Build two linear layers with an activation, a key of `ACTIVATIONS`, between them."""
        up, down = f"{layer}.{tensors.up}", f"{layer}.{tensors.down}"
        hidden = self.linear(vectors, inputs=width, outputs=units, name=f"{name}.up", tensor=up)
        active = activate(hidden, activation, name=f"{name}.activation")
        return self.linear(active, inputs=units, outputs=width, name=f"{name}.down", tensor=down)

    def _constant(self, name: str, tensor: str, shape: tuple[int, ...]) -> ov.Node:
        if tensor not in self._constants:
            # The node shares the array's memory: that of the mapped file, if it is float32.
            values = self.weights.take(tensor, shape)
            self._constants[tensor] = ops.constant(values, name=name, shared_memory=True)
        return self._constants[tensor]
