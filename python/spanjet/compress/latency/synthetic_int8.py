"""Build INT8 models of any layer shapes with random weights, as fast as quantized ones."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spanjet.compress.quantize.ptq import finish
from spanjet.model.graph.encoder import Encoder
from spanjet.model.layer_shape import LayerShape
from spanjet.runtime.openvino import ops, ov
from spanjet.runtime.precision import HALF_RANGE

__all__ = ["VOCABULARY", "RandomTensors", "insert_quantizers", "random_int8_model"]

#: Rows of the word table: a lookup takes as long in a greater one.
VOCABULARY = 2048

# Standard deviation of the weights that BERT's training starts from (Devlin et al. 2019).
_SPREAD = 0.02
# Ranges that represent zero exactly, as NNCF finds them: asymmetric ones of normalised hidden states and
# activations, and a symmetric one of attention outputs.
_LEVELS = 256
_SKEWED, _SYMMETRIC = (np.array(limits, np.float32) for limits in ([-1, 135 / 120], [-128 / 127, 1]))
_VIEWS = ("Reshape", "Transpose")


def random_int8_model(config: Encoder, shapes: Sequence[LayerShape]) -> ov.Model:
    """Build a model with the operations that `spanjet.compress.quantize.ptq.quantize` would produce.

    Args:
        config: the architecture; its number of layers and their shapes are ignored.
        shapes: shape of each layer.
    """
    config = replace(config, num_hidden_layers=len(shapes), layer_shapes=tuple(shapes), vocab_size=VOCABULARY)
    model = config.build(RandomTensors())
    insert_quantizers(model)
    return finish(model)


def insert_quantizers(model: ov.Model, *, widen: float = 1.0) -> None:
    """Insert quantizers where NNCF puts them, in place, with synthetic ranges and without data.

    Each linear layer gets INT8 weights with one scale for each output, and a quantizer after the SmoothQuant
    factors, which layers with the same input share. Queries and keys get a quantizer each; the product of
    attention probabilities and values stays in floating point.

    Args:
        model: a float32 model; modified.
        widen: factor of the quantization ranges, which are about -1 to 1.
    """
    limits = _SYMMETRIC * np.float32(widen), _SKEWED * np.float32(widen)
    smoothed: dict[str, ov.Output] = {}
    for product in model.get_ordered_ops():
        if product.get_type_name() != "MatMul":
            continue
        inputs = product.input_values()
        if inputs[1].get_node().get_type_name() == "Constant":
            factors = np.linspace(0.8, 1.25, inputs[1].get_shape()[1], dtype=np.float32)
            is_context = inputs[0].get_node().get_type_name() in _VIEWS
            name = f"{inputs[0].get_node().get_friendly_name()}:{inputs[0].get_index()}"
            if name not in smoothed:
                scaled = ops.multiply(inputs[0], ops.constant(factors.reshape(1, 1, -1)))
                smoothed[name] = _quantizer(scaled.output(0), limits[not is_context])
            product.input(0).replace_source_output(smoothed[name])
            product.input(1).replace_source_output(_weight(inputs[1].get_node().data / factors))
        elif inputs[0].get_node().get_type_name() != "Softmax":
            for value in inputs:
                _quantize_before_views(value, limits[0])
    model.validate_nodes_and_infer_types()


def _quantizer(value: ov.Output, limits: NDArray[np.float32]) -> ov.Output:
    low, high = limits
    return ops.fake_quantize(value, low, high, low, high, _LEVELS).output(0)


def _weight(values: NDArray[np.float32]) -> ov.Output:
    """Quantize a weight to INT8 with one scale for each row, in half the range to avoid saturation."""
    scale = np.abs(values).max(axis=1, keepdims=True) / np.float32(HALF_RANGE)
    scale[scale == 0] = 1
    rows = ops.constant(np.rint(values / scale).astype(np.int8))
    return ops.multiply(ops.convert(rows, "f32"), ops.constant(scale)).output(0)


def _quantize_before_views(value: ov.Output, limits: NDArray[np.float32]) -> None:
    """Insert a quantizer before the reshape and transpose that split a value into heads."""
    port = None
    while value.get_node().get_type_name() in _VIEWS:
        port = value.get_node().input(0)
        value = port.get_source_output()
    if port is not None:
        port.replace_source_output(_quantizer(value, limits))


class RandomTensors:
    """Random tensors of any name and shape: normal weights, and norm scales of about 1."""

    def __init__(self) -> None:
        self._generator = np.random.default_rng(0)

    def take(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Generate one tensor, see `TensorSource.take`."""
        # OpenVINO would drop scales of exactly 1 and biases of 0 when it compiles the model.
        mean = np.float32(len(shape) == 1 and name.endswith(".weight"))
        values = self._generator.standard_normal(shape, np.float32)
        values *= np.float32(_SPREAD)
        values += mean
        return values

    def finish(self) -> None:
        """Do nothing: any set of tensors is complete."""
