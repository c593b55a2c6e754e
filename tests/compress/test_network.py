"""A network is what its checkpoint is, cut to any shape, written and read back, and quantized."""

import json
import re
import runpy
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import networks
import numpy as np
import pytest
from checkpoints import ARCHITECTURES, OUTPUTS, TINY, copy, edit_config, run, split
from spanjet.compress.export import LOADER
from spanjet.compress.prune.network import Network
from spanjet.compress.quantize.mixed_precision import find_layers, restore
from spanjet.compress.quantize.ptq import calibrate, finish
from spanjet.model import load_model
from spanjet.model.layer_shape import LayerShape
from spanjet.runtime.openvino import ov

SHAPES = {
    "some": (LayerShape(1, 17), LayerShape(2, 8)),
    "no-attention": (LayerShape(0, 9), LayerShape(2, 24)),
    "no-ffn": (LayerShape(1, 0), LayerShape(2, 24)),
    "no-layer": (LayerShape(2, 20), LayerShape(0, 0)),
    "nothing": (LayerShape(0, 0), LayerShape(0, 0)),
}
# BERT's names and MPNet's biases of heads with every kind of layer, DistilBERT's and a layout of RoBERTa's
# with the first and the last.
CASES = [
    *((name, shapes) for name in ("electra", "mpnet") for shapes in SHAPES),
    *((name, shapes) for name in ("distilbert", "roberta") for shapes in ("some", "nothing")),
]
NAMES = ("camembert", "distilbert", "electra", "electra-wide", "mpnet", "roberta", "xlm-roberta")


def cut(network: Network, shapes: tuple[LayerShape, ...]) -> Network:
    return networks.sliced(network, networks.simple_orders(network), shapes)


def masked(network: Network, shapes: tuple[LayerShape, ...]) -> Network:
    """The network in its first shape, with zeros for what `cut` cuts."""
    orders, tensors, size = networks.simple_orders(network), {}, network.architecture.head_size
    for index, shape in enumerate(shapes):
        heads, units = (orders.blocks[name, index] for name in ("heads", "units"))
        gone = np.setdiff1d(np.arange(len(heads.removed)), heads.kept(shape.heads))
        columns = (gone[:, None] * size + np.arange(size)).reshape(-1)
        names = network.layer(index)
        for name, places in (
            (names.attention_output, columns),
            (names.down, np.setdiff1d(np.arange(len(units.removed)), units.kept(shape.units))),
        ):
            weight = network.tensors[f"{name}.weight"].copy()
            weight[:, places] = 0
            tensors[f"{name}.weight"] = weight
    return network.with_tensors(tensors)


@pytest.mark.parametrize("name", NAMES)
def test_a_network_has_its_checkpoint_s_logits(tmp_path: Path, name: str) -> None:
    network = networks.load(name, tmp_path)
    batch = networks.windows(network, [11])[0]
    expected, logits = run(load_model(tmp_path / name).model, batch), run(network.build(), batch)
    assert all(np.array_equal(logits[output], expected[output]) for output in OUTPUTS)
    loaded = network.loaded()
    assert (loaded.path, loaded.architecture) == (tmp_path / name, network.architecture.model_type)
    assert loaded.layout == network.architecture.layout


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_smaller_network_is_the_masked_one(tmp_path: Path, name: str, kind: str) -> None:
    shapes = SHAPES[kind]
    network = networks.alive(networks.load(name, tmp_path))
    small, large = cut(network, shapes), masked(network, shapes)
    assert small.shapes == shapes
    assert sum(value.size for value in small.tensors.values()) < sum(
        value.size for value in large.tensors.values()
    )
    batch = networks.windows(network, [13])[0]
    logits, expected = run(small.build(), batch), run(large.build(), batch)
    for output in OUTPUTS:
        np.testing.assert_allclose(logits[output], expected[output], rtol=0, atol=2e-5)
    dense = run(network.build(), batch)
    assert any(np.abs(dense[output] - expected[output]).max() > 1e-3 for output in OUTPUTS)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_what_is_saved_is_loaded_bit_for_bit(tmp_path: Path, name: str, kind: str) -> None:
    shapes = SHAPES[kind]
    small = cut(networks.load(name, tmp_path), shapes)
    small.save(tmp_path / "out")
    loaded, again = load_model(tmp_path / "out"), Network.load(tmp_path / "out")
    assert again.shapes == shapes
    assert set(again.tensors) == set(small.tensors)
    batch = networks.windows(small, [13])[0]
    expected = run(small.build(), batch)
    for model in (loaded.model, again.build()):
        logits = run(model, batch)
        assert all(np.array_equal(logits[output], expected[output]) for output in OUTPUTS)
    assert {"config.json", "model.safetensors", "vocab.txt", LOADER} <= {
        file.name for file in (tmp_path / "out").iterdir()
    }


def test_saving_keeps_to_the_rules_of_staging(tmp_path: Path) -> None:
    network = networks.tiny()
    network.save(tmp_path / "out")
    with pytest.raises(FileExistsError, match="exists already"):
        network.save(tmp_path / "out")
    cut(network, (LayerShape(1, 5), LayerShape(4, 64))).save(tmp_path / "out", overwrite=True)
    assert Network.load(tmp_path / "out").shapes[0] == LayerShape(1, 5)
    (tmp_path / "other").mkdir()
    with pytest.raises(FileExistsError, match=r"holds no model\.safetensors"):
        network.save(tmp_path / "other", overwrite=True)


def test_half_precision_and_several_files_are_saved_as_one_in_float32(tmp_path: Path) -> None:
    source = copy("electra", tmp_path / "electra")
    edit_config(source, dtype="float16", torch_dtype="float16")
    split(source)
    Network.load(source).save(tmp_path / "out")
    config = (tmp_path / "out" / "config.json").read_text()
    assert '"dtype": "float32"' in config
    assert '"torch_dtype": "float32"' in config
    assert [file.name for file in (tmp_path / "out").glob("*.safetensors*")] == ["model.safetensors"]


def test_the_loader_is_a_program(tmp_path: Path) -> None:
    networks.tiny().save(tmp_path / "out")
    source = (tmp_path / "out" / LOADER).read_text()
    compile(source, LOADER, "exec")
    if find_spec("torch") is None or find_spec("transformers") is None:
        with pytest.raises(ModuleNotFoundError, match=r"torch|transformers"):
            runpy.run_path(str(tmp_path / "out" / LOADER))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3, '"spanjet" is 3, expected an object with a list "layers"'),
        ({}, 'expected an object with a list "layers"'),
        ({"layers": 2}, 'expected an object with a list "layers"'),
        ({"layers": [{"heads": 1, "units": 1}]}, '"spanjet.layers" has 1 items, expected 2'),
        ({"layers": [1, 2]}, '"spanjet.layers[0]" is 1, expected an object with "heads" and "units"'),
        ({"layers": [{"heads": 5, "units": 1}] * 2}, '"spanjet.layers[0].heads" is 5'),
        ({"layers": [{"heads": 4, "units": 65}] * 2}, '"spanjet.layers[0].units" is 65'),
        ({"layers": [{"heads": 4, "units": -1}] * 2}, 'units" is -1, expected a whole number from 0 to 64'),
        ({"layers": [{"heads": 4, "units": 2.0}] * 2}, '"spanjet.layers[0].units" is 2.0'),
        ({"layers": [{"heads": True, "units": 2}] * 2}, '"spanjet.layers[0].heads" is true'),
        ({"layers": [{"heads": 4, "units": 64}, {"heads": "4"}]}, '"spanjet.layers[1].heads" is "4"'),
        ({"layers": [{"heads": 4, "units": 64}, {"heads": 4}]}, '"spanjet.layers[1].units" is null'),
        (
            {"layers": [{"heads": 4, "units": 64}, {"heads": 4, "units": 64, "tokens": 0.5}]},
            '"spanjet.layers[1].tokens" is not supported, expected "heads" and "units" alone',
        ),
    ],
)
def test_a_damaged_key_is_refused(tmp_path: Path, value: Any, message: str) -> None:
    networks.tiny().save(tmp_path / "out")
    edit_config(tmp_path / "out", spanjet=value)
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        load_model(tmp_path / "out")
    assert str(tmp_path / "out" / "config.json") in str(error.value)


def test_shapes_that_are_not_the_weights_are_refused(tmp_path: Path) -> None:
    networks.tiny().save(tmp_path / "out")
    for heads, message in ((3, r"has shape \[32, 32\], expected \[24, 32\]"), (0, "were not expected")):
        networks.describe(tmp_path / "out", layers=[{"heads": heads, "units": 64}, {"heads": 4, "units": 64}])
        with pytest.raises(ValueError, match=message):
            load_model(tmp_path / "out")


@pytest.mark.parametrize("name", ["mobilebert", "deberta-v2"])
def test_other_layers_are_not_cut(tmp_path: Path, name: str) -> None:
    copy(name, tmp_path / name)
    with pytest.raises(ValueError, match=rf"{name} models cannot be cut, expected one of bert, camembert, "):
        Network.load(tmp_path / name)
    networks.describe(tmp_path / name, layers=[])
    with pytest.raises(ValueError, match=f"no such key: {name}'s layers all have one shape"):
        load_model(tmp_path / name)


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such directory"):
        Network.load(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="holds no checkpoint"):
        Network.load(tmp_path)


def test_tensors_that_do_not_fit_are_refused() -> None:
    network = networks.tiny()
    name = f"{network.layer(1).down}.weight"
    with pytest.raises(ValueError, match=rf"{name}' is float32\[32, 64\], expected float32\[32, 5\]"):
        network.with_layers(
            (network.shapes[0], LayerShape(4, 5)),
            {
                f"{network.layer(1).up}.weight": network.tensors[f"{network.layer(1).up}.weight"][:5],
                f"{network.layer(1).up}.bias": network.tensors[f"{network.layer(1).up}.bias"][:5],
            },
        ).build()
    with pytest.raises(ValueError, match=r"1 tensors were not expected: .*'stray'"):
        network.with_tensors({"stray": np.zeros(1, np.float32)}).build()
    tensors = {key: value for key, value in network.tensors.items() if key != "qa_outputs.bias"}
    with pytest.raises(ValueError, match=r"'qa_outputs\.bias' is missing"):
        Network(architecture=network.architecture, tensors=tensors, source=TINY, files=()).build()


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("bert", ((3, 40), (2, 17))),
        ("bert", ((0, 40), (4, 0))),
        ("bert", ((0, 0), (1, 9))),
        ("bert", ((4, 64), (0, 0))),
        ("mpnet", ((2, 24), (2, 24))),
        ("mpnet", ((1, 17), (2, 0))),
    ],
)
def test_cut_networks_are_quantized(tmp_path: Path, name: str, shapes: tuple[tuple[int, int], ...]) -> None:
    """NNCF finds the products, and restoring all of them gives the float logits."""
    network = networks.tiny() if name == "bert" else networks.load(name, tmp_path)
    small = cut(network, tuple(LayerShape(*shape) for shape in shapes))
    inputs = networks.windows(network, [20, 17, 9, 23])
    original = small.build()
    model = calibrate(original, inputs, half_range=True)
    products = {
        node.get_friendly_name() for node in original.get_ordered_ops() if node.get_type_name() == "MatMul"
    }
    # The preset for transformers leaves the product of probabilities and values as it is.
    assert set(find_layers(model)) == {name for name in products if not name.endswith("context.heads")}
    assert len(products) == 1 + sum(6 * bool(heads) + 2 * bool(units) for heads, units in shapes)
    quantized = finish(model.clone())
    for item in inputs:
        expected, found = run(small.build(), item), run(quantized, item)
        for output in OUTPUTS:
            assert np.abs(found[output] - expected[output]).max() < 0.2 * np.abs(expected[output]).max()
    restore(model, original, find_layers(model))
    expected, found = run(small.build(), inputs[0]), run(model, inputs[0])
    for output in OUTPUTS:
        np.testing.assert_allclose(found[output], expected[output], atol=1e-4)


def test_names_of_nodes_stay() -> None:
    whole = networks.tiny()
    small, large = (
        {node.get_friendly_name() for node in network.build().get_ordered_ops()}
        for network in (cut(whole, (LayerShape(3, 40), LayerShape(1, 9))), whole)
    )
    named = {name for name in large if "Constant_" not in name}
    assert named <= small
    assert {name for name in small if "Constant_" not in name} == named


def test_golden_checkpoints_are_all_tried() -> None:
    families = {"bert", "camembert", "distilbert", "electra", "mpnet", "roberta", "xlm-roberta"}
    kinds = {load_kind(path) for path in ARCHITECTURES.glob("*/config.json")}
    assert families - {"bert"} <= kinds
    assert {load_kind(ARCHITECTURES / name / "config.json") for name in NAMES} == families - {"bert"}


def load_kind(path: Path) -> str:
    return str(json.loads(path.read_text())["model_type"])


def test_graphs_share_the_tensors_memory() -> None:
    network = networks.tiny()
    name = "encoder.layer.0.ffn.up.weight"
    node = next(node for node in network.build().get_ordered_ops() if node.get_friendly_name() == name)
    assert isinstance(node, ov.Node)
    assert np.shares_memory(node.data, network.tensors[f"{network.layer(0).up}.weight"])
