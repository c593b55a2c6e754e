"""Architectures with shared weights, tasks and distances: quantized, and cut or refused."""

from collections import Counter
from pathlib import Path

import checkpoints
import networks
import numpy as np
import pytest
from checkpoints import OUTPUTS, run
from spanjet.compress.prune.network import Network
from spanjet.compress.quantize.ptq import quantize
from spanjet.model.layer_shape import LayerShape
from spanjet.model.load import load_model
from spanjet.model.model_info import describe_model
from spanjet.runtime.cpu import int8_saturates
from spanjet.runtime.openvino import ov
from spanjet.runtime.products import is_quantized_product

QUANTIZED = ("albert", "albert-groups", "ernie-tasks", "bert-relative-key-query", "electra-relative")


def batches(model: ov.Model, count: int, length: int) -> list[checkpoints.Batch]:
    generator = np.random.default_rng(0)
    found = []
    for _ in range(count):
        ids = generator.integers(5, 159, (2, length), dtype=np.int32)
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": ids % 2}
        found.append({port.any_name: inputs[port.any_name] for port in model.inputs})
    return found


@pytest.mark.parametrize("name", QUANTIZED)
def test_int8_logits_are_near(tmp_path: Path, name: str) -> None:
    loaded = load_model(checkpoints.copy(name, tmp_path / name))
    quantized = quantize(loaded.model, batches(loaded.model, 8, 24), half_range=int8_saturates())
    products = [node for node in loaded.model.get_ordered_ops() if node.get_type_name() == "MatMul"]
    weighted = [node for node in products if node.input_value(1).get_node().get_type_name() == "Constant"]
    found = Counter(
        node.get_friendly_name() for node in quantized.get_ordered_ops() if is_quantized_product(node)
    )
    assert {node.get_friendly_name() for node in weighted} <= set(found)
    inputs = batches(loaded.model, 9, 31)[8]
    expected, logits = run(loaded.model, inputs), run(quantized, inputs)
    for output in OUTPUTS:
        assert np.corrcoef(expected[output].ravel(), logits[output].ravel())[0, 1] > 0.98
        assert not np.array_equal(expected[output], logits[output])


@pytest.mark.parametrize("name", QUANTIZED)
def test_padding_changes_little_of_int8(tmp_path: Path, name: str) -> None:
    model = load_model(checkpoints.copy(name, tmp_path / name)).model
    quantized = quantize(model, batches(model, 4, 24))
    inputs = batches(model, 1, 20)[0]
    padded = {key: np.pad(array, ((0, 0), (0, 12))) for key, array in inputs.items()}
    logits, others = run(quantized, inputs), run(quantized, padded)
    for output in OUTPUTS:
        assert np.abs(others[output][:, :20] - logits[output]).max() < 1e-4


def test_shared_weights_are_kept_once(tmp_path: Path) -> None:
    """In memory and in the file, in float32 and in INT8, however many layers there are."""
    sizes: dict[int, list[int]] = {}
    for layers in (2, 6):
        checkpoint = checkpoints.copy("albert", tmp_path / str(layers))
        checkpoints.edit_config(checkpoint, num_hidden_layers=layers)
        model = load_model(checkpoint).model
        quantized = quantize(model, batches(model, 4, 24))
        sizes[layers] = [parameters(each) for each in (model, quantized)]
        ov.save_model(quantized, tmp_path / f"{layers}.xml")
        sizes[layers].append(len((tmp_path / f"{layers}.bin").read_bytes()))
        assert describe_model(load_model(checkpoint))["parameters"] == 3762
    assert sizes[2][:2] == sizes[6][:2]
    # Only the ranges of activations and corrected biases are each layer's own.
    assert sizes[6][2] - sizes[2][2] < 4 * 1500


def parameters(model: ov.Model) -> int:
    """Number of elements of all matrices."""
    matrices = [node for node in model.get_ordered_ops() if node.get_type_name() == "Constant"]
    shapes = [list(node.get_output_shape(0)) for node in matrices]
    return sum(int(np.prod(shape)) for shape in shapes if len(shape) == 2 and min(shape) > 1)


def test_albert_is_not_cut(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"config\.json: layers of albert models cannot be cut, expected one of"
    ):
        Network.load(checkpoints.copy("albert", tmp_path / "albert"))


@pytest.mark.parametrize("name", ["bert-relative-key", "electra-relative", "ernie-relative"])
def test_layers_with_distances_are_not_cut(tmp_path: Path, name: str) -> None:
    expected = (
        r'config\.json: "position_embedding_type" is "relative_key.*", expected "absolute", for its layers'
    )
    with pytest.raises(ValueError, match=expected):
        Network.load(checkpoints.copy(name, tmp_path / name))


@pytest.mark.parametrize("name", ["ernie", "ernie-tasks", "bert-one-type"])
def test_cut_and_exported(tmp_path: Path, name: str) -> None:
    """As BERT is: what is written is what was cut, and is read again."""
    whole = networks.load(name, tmp_path)
    shapes = (LayerShape(1, 17), LayerShape(2, 8))
    small = networks.sliced(whole, networks.simple_orders(whole), shapes)
    small.save(tmp_path / "small")
    again = load_model(tmp_path / "small")
    inputs = batches(again.model, 1, 17)[0]
    expected, logits = run(small.build(), inputs), run(again.model, inputs)
    assert Network.load(tmp_path / "small").shapes == shapes
    assert all(np.array_equal(logits[output], expected[output]) for output in OUTPUTS)
