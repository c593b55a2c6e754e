"""MPNet's biases by distance through the optimiser: cut, fitted, quantized, exported, and to the bit."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import checkpoints
import networks
import numpy as np
import optimizing
import pytest
import trained_tokenizers
from safetensors.numpy import save_file
from spanjet import Reader, RuntimeConfig
from spanjet.compress.latency.synthetic_int8 import RandomTensors, insert_quantizers
from spanjet.compress.prune.layerwise_fit import refit
from spanjet.compress.prune.network import Network
from spanjet.compress.prune.one_shot import OneShot
from spanjet.compress.prune.packing import pack
from spanjet.compress.prune.removal_order import find_orders
from spanjet.compress.prune.second_moments import measure_second_moments
from spanjet.compress.prune.structures import STRUCTURES
from spanjet.compress.prune.sublayers import Sublayer
from spanjet.compress.quantize.ptq import finish
from spanjet.model import load_model
from spanjet.model.graph.architectures import read_architecture
from spanjet.model.graph.encoder import Encoder
from spanjet.model.graph.tensors import Recorder
from spanjet.model.layer_shape import LayerShape
from spanjet.runtime.openvino import ops, ov, shared_core

SHARED = "encoder.relative_attention_bias.weight"
CONFIG = {
    "model_type": "mpnet",
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 386,
    "pad_token_id": 1,
}
SHAPES = (LayerShape(3, 40), LayerShape(4, 20))


def own(layer: int) -> str:
    """The name of a layer's own table."""
    return f"encoder.layer.{layer}.attention.relative_attention_bias.weight"


def write_mpnet(directory: Path) -> Path:
    """A random checkpoint with a tokenizer, whose answers depend on distances."""
    directory.mkdir()
    tokenizer = json.loads(trained_tokenizers.write(directory, "mpnet").read_text(encoding="utf-8"))
    config = {**CONFIG, "vocab_size": len(tokenizer["model"]["vocab"])}
    (directory / "config.json").write_text(json.dumps(config))
    recorder = Recorder(RandomTensors())
    read_architecture(directory / "config.json").build(recorder)
    scales = {SHARED: 60, "qa_outputs.weight": 60}
    tensors = {
        name: (value if "Norm" in name else value * np.float32(scales.get(name, 12)))
        for name, value in recorder.taken.items()
    }
    save_file(
        {name if "qa_outputs" in name else f"mpnet.{name}": value for name, value in tensors.items()},
        directory / "model.safetensors",
        metadata={"format": "pt"},
    )
    return directory


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    return Network.load(write_mpnet(tmp_path_factory.mktemp("mpnet") / "checkpoint"))


@pytest.fixture(scope="module")
def small(network: Network) -> Network:
    """Fewer heads in the first layer, all in the second."""
    return networks.sliced(network, networks.simple_orders(network), SHAPES)


def test_a_checkpoint_has_tables_where_heads_are_missing(
    network: Network, small: Network, tmp_path: Path
) -> None:
    kept = networks.simple_orders(network).blocks["heads", 0].kept(3)
    assert np.array_equal(small.tensors[own(0)], network.tensors[SHARED][:, kept])
    assert np.array_equal(small.tensors[SHARED], network.tensors[SHARED])
    assert own(1) not in small.tensors
    small.save(tmp_path / "out")
    assert set(Network.load(tmp_path / "out").tensors) == set(small.tensors)

    def forget(tensors: checkpoints.Tensors) -> checkpoints.Tensors:
        return {name: value for name, value in tensors.items() if not name.endswith(own(0))}

    checkpoints.edit_tensors(tmp_path / "out", forget)
    with pytest.raises(ValueError, match=rf"tensor '{own(0)}' is missing, expected with shape \[32, 3\]"):
        load_model(tmp_path / "out")


def test_what_is_cut_again_is_what_is_cut_at_once(network: Network) -> None:
    places = np.array([0, 2, 3])
    heads = STRUCTURES[0]

    def without(whole: Network, kept: np.ndarray, count: int) -> Network:
        return whole.with_layers((LayerShape(count, 64), LayerShape(4, 64)), heads.slice(whole, 0, kept))

    twice = without(without(network, places, 3), np.array([1, 2]), 2)
    once = without(network, places[1:], 2)
    assert set(twice.tensors) == set(once.tensors)
    assert all(np.array_equal(value, once.tensors[name]) for name, value in twice.tensors.items())


@pytest.mark.parametrize(
    ("shapes", "count"),
    [
        ((LayerShape(4, 64), LayerShape(4, 64)), 1),
        ((LayerShape(3, 64), LayerShape(4, 64)), 2),
        ((LayerShape(2, 64), LayerShape(2, 64)), 1),
        ((LayerShape(2, 64), LayerShape(0, 64)), 1),
        ((LayerShape(0, 64), LayerShape(0, 64)), 0),
    ],
)
def test_equal_tables_give_one_bias(network: Network, shapes: tuple[LayerShape, ...], count: int) -> None:
    tensors: dict[str, np.ndarray] = {}
    for layer, shape in enumerate(shapes):
        tensors |= STRUCTURES[0].slice(network, layer, np.arange(shape.heads))
    names = [node.get_friendly_name() for node in network.with_layers(shapes, tensors).build().get_ops()]
    assert sum(name.endswith("relative_bias") for name in names) == count


@pytest.mark.parametrize("layer", [0, 1])
def test_a_sublayer_is_that_of_the_network(small: Network, layer: int) -> None:
    (batch,) = pack(networks.windows(small, [48, 31, 20]), padding=1)
    model = small.build()
    nodes = {node.get_friendly_name(): node for node in model.get_ordered_ops()}
    before = "embeddings.norm" if layer == 0 else "encoder.layer.0.ffn.norm"
    wanted = [nodes[name].output(0) for name in (before, f"encoder.layer.{layer}.attention.context")]
    tapped = ov.Model([ops.result(output) for output in wanted], model.get_parameters(), "tapped")
    compiled = shared_core().compile_model(tapped, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    vectors, expected = (np.array(values) for values in compiled(batch).values())
    mask = batch["attention_mask"]
    (found,) = Sublayer(small, STRUCTURES[0], layer).inner([vectors], [mask])
    np.testing.assert_allclose(found, expected[mask == 1], atol=1e-5)


def test_a_cut_network_is_fitted(network: Network) -> None:
    fit = networks.windows(network, [90, 124, 133, 128, 99, 115] * 2)
    held_out = networks.windows(network, [95, 131, 118], seed=1)
    moments = measure_second_moments(network, fit)
    start = OneShot(network, moments, find_orders(network, moments))(SHAPES)
    made = refit(network, start, fit, held_out)

    def last_vectors(other: Network) -> list[np.ndarray]:
        model = other.build()
        (node,) = (each for each in model.get_ops() if each.get_friendly_name() == "encoder.layer.1.ffn.norm")
        tapped = ov.Model([ops.result(node.output(0))], model.get_parameters(), "tapped")
        compiled = shared_core().compile_model(tapped, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        return [np.array(compiled(item)[0]) for item in held_out]

    def error(other: Network) -> float:
        pairs = zip(last_vectors(network), last_vectors(other), strict=True)
        return sum(float(np.square(found - expected).sum()) for expected, found in pairs)

    assert error(made) < 0.95 * error(start)
    assert np.array_equal(made.tensors[own(0)], start.tensors[own(0)])


def int8(network: Network) -> ov.Model:
    model = network.build()
    insert_quantizers(model, widen=4.0)
    return finish(model)


@pytest.mark.parametrize("precision", ["f32", "bf16"])
@pytest.mark.parametrize("cut", [False, True])
def test_logits_of_a_window_are_the_same_bits(
    network: Network, small: Network, precision: str, cut: bool
) -> None:
    """In INT8: alone and beside longer ones, with more padding, and compiled for one length."""
    model = int8(small if cut else network)
    options = {"INFERENCE_PRECISION_HINT": precision}
    free = shared_core().compile_model(model, "CPU", options)
    (batch,) = pack(networks.windows(network, [96, 81, 96, 90]), padding=1)
    expected = free(batch)
    tokens = batch["attention_mask"] == 1
    fixed = model.clone()
    fixed.reshape({port: ov.PartialShape([-1, 96]) for port in fixed.inputs})
    longer = {name: np.pad(values, ((0, 0), (0, 64))) for name, values in batch.items()}
    longer["input_ids"][:, 96:] = 1
    others = {
        "fixed": shared_core().compile_model(fixed, "CPU", options)(batch),
        "padded": free(longer),
    }
    for name in checkpoints.OUTPUTS:
        values = expected[name]
        for kind, found in others.items():
            assert np.array_equal(found[name][:, :96][tokens], values[tokens]), kind
        for row in range(len(tokens)):
            alone = free({key: one[row : row + 1] for key, one in batch.items()})[name]
            assert np.array_equal(alone[0][tokens[row]], values[row][tokens[row]])


def test_the_bias_of_padding_is_added_first(network: Network) -> None:
    """Beside the scaling, the other one would be fused in another way where the length is fixed."""
    nodes = {node.get_friendly_name(): node for node in network.build().get_ops()}
    for layer in range(2):
        name = f"encoder.layer.{layer}.attention.scores"
        added = [nodes[each].input_value(1).get_node() for each in (f"{name}.biased.1", name)]
        assert [node.get_friendly_name() for node in added] == ["attention_bias", "relative_bias"]


@pytest.fixture(scope="module")
def optimised(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    directory = tmp_path_factory.mktemp("optimised")
    write_mpnet(directory / optimizing.CHECKPOINT)
    optimizing.write_questions(directory / optimizing.DATA, directory / optimizing.CHECKPOINT)
    config = replace(optimizing.CONFIG, budget=0.5)
    card = optimizing.run(directory, directory / "out", export=directory / "export", config=config)
    return directory, card


def test_an_optimised_model(optimised: tuple[Path, dict[str, Any]]) -> None:
    directory, card = optimised
    found = card["optimization"]
    start, made = (Network.load(directory / name) for name in (optimizing.CHECKPOINT, "export"))
    assert [(shape.heads, shape.units) for shape in made.shapes] == [
        (layer["heads"], layer["units"]) for layer in found["layers"]
    ]
    cut = [layer for layer, shape in enumerate(made.shapes) if 0 < shape.heads < 4]
    assert cut
    for layer in cut:
        kept = found["kept"][layer]["heads"]
        assert np.array_equal(made.tensors[own(layer)], start.tensors[SHARED][:, kept])
    runtime = RuntimeConfig(precision="f32", cache_dir=None)
    question, text = "the river", "the city was on a river by the first king"
    for name in ("out", "export"):
        reader = Reader(directory / name, threshold=None, runtime_config=runtime)
        answer = reader.ask(question, text)
        assert text[answer.start : answer.end] == answer.text != ""
    assert load_model(directory / "out").architecture == "mpnet"


def test_other_sizes_of_the_architecture_are_built(network: Network) -> None:
    """As the latency table does, whose stacks have other numbers of layers."""
    config = network.architecture
    assert isinstance(config, Encoder)
    shapes = (LayerShape(1, 32),) * 3
    model = replace(config, num_hidden_layers=3, layer_shapes=shapes).build(RandomTensors())
    assert sum(node.get_friendly_name().endswith("relative_bias") for node in model.get_ops()) == 3
