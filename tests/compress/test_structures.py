"""Structures: what each is made of, the sizes that it may have, and blocks without some of its parts."""

from dataclasses import fields
from pathlib import Path

import networks
import numpy as np
import pytest
from spanjet.compress.prune.second_moments import second_moment
from spanjet.compress.prune.structures import STRUCTURES, Structure, blocks_of, levels_of
from spanjet.model.graph.blocks import LayerTensors
from spanjet.model.layer_shape import LayerShape

each_structure = pytest.mark.parametrize("structure", STRUCTURES, ids=lambda structure: structure.name)


def test_every_size_of_a_layer_is_a_structure_s() -> None:
    assert [structure.name for structure in STRUCTURES] == [field.name for field in fields(LayerShape)]
    network = networks.tiny()
    blocks = [(structure.name, layer) for structure, layer in blocks_of(network)]
    assert blocks == [("heads", 0), ("units", 0), ("heads", 1), ("units", 1)]
    assert levels_of(network.architecture) == {"heads": [0, 1, 2, 3, 4], "units": [0, 32, 64]}


@each_structure
def test_its_tensors_are_the_layer_s(structure: Structure) -> None:
    names = {field.name for field in fields(LayerTensors)}
    assert {*structure.readers, structure.output, structure.norm} <= names


@each_structure
def test_a_layer_has_another_number(structure: Structure) -> None:
    shape = LayerShape(4, 64)
    smaller = structure.resized(shape, 2)
    assert structure.size(smaller) == 2
    assert all(other.size(smaller) == other.size(shape) for other in STRUCTURES if other is not structure)


@each_structure
@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_slice_is_rows_and_columns(structure: Structure, count: int) -> None:
    network = networks.alive(networks.tiny())
    kept = np.arange(count, dtype=np.int64)
    width = structure.width(network.architecture)
    output = f"{structure.output_name(network, 1)}.weight"
    tensors = structure.slice(network, 1, kept)
    assert np.array_equal(tensors[output], network.tensors[output][:, : count * width])
    for name in tensors.keys() - {output}:
        assert np.array_equal(tensors[name], network.tensors[name][: count * width])
    assert len(tensors) == 1 + 2 * len(structure.readers)


def test_a_slice_of_heads_has_their_biases(tmp_path: Path) -> None:
    """Of MPNet: a table of the layer's own for fewer heads, cut again like any other, and none for all."""
    network = networks.load("mpnet", tmp_path)
    heads, kept = STRUCTURES[0], np.array([1])
    name = "encoder.layer.0.attention.relative_attention_bias.weight"
    shared = network.tensors["encoder.relative_attention_bias.weight"]
    assert name not in heads.slice(network, 0, np.arange(2))
    tensors = heads.slice(network, 0, kept)
    assert np.array_equal(tensors[name], shared[:, 1:])
    smaller = network.with_layers((LayerShape(1, 24), LayerShape(2, 24)), tensors)
    assert np.array_equal(heads.slice(smaller, 0, np.array([0]))[name], shared[:, 1:])
    assert heads.slice(smaller, 0, np.array([], np.int64))[name].size == 0
    assert set(STRUCTURES[1].slice(smaller, 0, np.arange(3))).isdisjoint({name})


@each_structure
def test_a_fit_of_all_parts_changes_nothing(structure: Structure) -> None:
    network = networks.alive(networks.tiny())
    parts = structure.size(network.shapes[0])
    inputs = parts * structure.width(network.architecture)
    values = np.random.default_rng(0).standard_normal((5 * inputs, inputs)).astype(np.float32)
    fitted = structure.fit(network, 0, np.arange(parts), second_moment(values))
    for name, value in fitted.items():
        np.testing.assert_allclose(value, network.tensors[name], atol=1e-4)
