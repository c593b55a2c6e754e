"""Pack windows into batches, and read a network's activations of their tokens."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from spanjet.compress.prune.network import Network
from spanjet.runtime.openvino import ops, shared_core

__all__ = ["Inputs", "Taps", "backward_tokens", "pack"]

Inputs = Mapping[str, NDArray[np.int32]]

# Tokens of a batch: enough for full speed, few enough for the activations of wide layers.
_TOKENS = 2048
# Tokens times hidden size times layers of a batch with a backward pass: its stored activations take 2 GB in
# MiniLM-L6 with 1,536 tokens, and 4 GB with twice as many, in the same time per window.
_KEPT = 1536 * 384 * 6
# Lengths are rounded up to multiples of this: OpenVINO caches a compilation for each shape.
_MULTIPLE = 16


def backward_tokens(network: Network) -> int:
    """Choose the tokens of a batch for forward and backward passes, see `pack`."""
    width, layers = network.architecture.hidden_size, len(network.shapes)
    return max(1, _KEPT // (width * layers))


def pack(
    inputs: Sequence[Inputs], *, padding: int, tokens: int = _TOKENS
) -> list[dict[str, NDArray[np.int32]]]:
    """Group windows of similar length into batches of few distinct shapes.

    Args:
        inputs: arrays int32[rows, length] by the names of the model's inputs; ``attention_mask`` is 1 for
            tokens, which come first, and 0 for padding.
        padding: id of the padding token.
        tokens: maximum of rows times length of a batch; a longer window is a batch of its own.

    Raises:
        ValueError: there are no windows.
    """
    rows = [
        {name: values[row, : int(item["attention_mask"][row].sum())] for name, values in item.items()}
        for item in inputs
        for row in range(len(item["attention_mask"]))
    ]
    if not rows:
        raise ValueError("no windows: expected at least one")
    rows.sort(key=lambda row: -len(row["attention_mask"]))
    batches, start = [], 0
    longest = len(rows[0]["attention_mask"])
    while start < len(rows):
        length = min(-(-len(rows[start]["attention_mask"]) // _MULTIPLE) * _MULTIPLE, longest)
        stop = start + max(1, tokens // length)
        batches.append({name: _stacked(rows[start:stop], name, length, padding) for name in rows[start]})
        start = stop
    return batches


def _stacked(rows: Sequence[Inputs], name: str, length: int, padding: int) -> NDArray[np.int32]:
    stacked = np.full((len(rows), length), padding if name == "input_ids" else 0, np.int32)
    for index, row in enumerate(rows):
        stacked[index, : len(row[name])] = row[name]
    return stacked


class Taps:
    """Activations of selected nodes of a network, without padding, in float32.

    Args:
        network: the network.
        names: friendly names of nodes with outputs [batch, length, width] or [batch, length].
    """

    def __init__(self, network: Network, names: Sequence[str]) -> None:
        model = network.build()
        nodes = {node.get_friendly_name(): node for node in model.get_ordered_ops()}
        model.add_results([ops.result(nodes[name].output(0), name=f"{name}.tap") for name in names])
        self._names = tuple(names)
        self._first = len(model.outputs) - len(names)
        self._compiled = shared_core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def __call__(self, batch: Inputs) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """Yield names and activations of the nodes, float32[tokens, width], valid until the next call."""
        request = self._compiled.create_infer_request()
        request.infer(dict(batch), share_inputs=True)
        real = batch["attention_mask"].reshape(-1) == 1
        for index, name in enumerate(self._names, self._first):
            values = request.get_output_tensor(index).data
            flat = values.reshape(real.size, -1)
            yield name, flat if real.all() else flat[real]
