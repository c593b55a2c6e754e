"""Second moments are sums over real tokens, as numpy takes them one token at a time."""

import math
from collections.abc import Mapping
from pathlib import Path

import networks
import numpy as np
import pytest
from checkpoints import Batch
from numpy.typing import NDArray
from spanjet.compress.prune.network import Network
from spanjet.compress.prune.packing import pack
from spanjet.compress.prune.second_moments import SecondMoments, measure_second_moments
from spanjet.model.graph.relative_bias import distance_buckets
from spanjet.model.layer_shape import LayerShape
from spanjet.runtime.openvino import ops, shared_core

LENGTHS = (19, 7, 23, 11, 16)


def vectors_before_layers(network: Network, item: Batch) -> NDArray[np.float64]:
    """What the first layer reads, float64[tokens, hidden]."""
    model = network.build()
    node = next(node for node in model.get_ordered_ops() if node.get_friendly_name() == "embeddings.norm")
    model.add_results([ops.result(node.output(0))])
    compiled = shared_core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.asarray(compiled(dict(item))[2][0], np.float64)


def biases_by_distance(network: Network, layer: int, length: int) -> NDArray[np.float64]:
    """MPNet's, float64[heads, length, length] by query and key; zeros of other networks."""
    names = (
        f"{network.architecture.layers}.{layer}.attention.relative_attention_bias.weight",
        "encoder.relative_attention_bias.weight",
    )
    tables = [network.tensors[name] for name in names if name in network.tensors]
    if not tables:
        return np.zeros((network.shapes[layer].heads, length, length))
    distances = np.arange(length)[None, :] - np.arange(length)[:, None]
    buckets = distance_buckets(distances, buckets=32, farthest=128)
    biases: NDArray[np.float64] = tables[0].astype(np.float64)[buckets].transpose(2, 0, 1)
    return biases


def inner_vectors(network: Network, item: Batch) -> dict[tuple[str, int], NDArray[np.float64]]:
    """What the output products read, by numpy in float64: float64[tokens, inner] of each block."""
    sizes, tensors = network.architecture, network.tensors
    found: dict[tuple[str, int], NDArray[np.float64]] = {}
    vectors = vectors_before_layers(network, item)

    def linear(values: NDArray[np.float64], name: str) -> NDArray[np.float64]:
        product: NDArray[np.float64] = (
            values @ tensors[f"{name}.weight"].T.astype(np.float64) + tensors[f"{name}.bias"]
        )
        return product

    def normalised(values: NDArray[np.float64], name: str) -> NDArray[np.float64]:
        centred = values - values.mean(axis=1, keepdims=True)
        scale = np.sqrt(np.square(centred).mean(axis=1, keepdims=True) + sizes.layer_norm_eps)
        result: NDArray[np.float64] = centred / scale * tensors[f"{name}.weight"] + tensors[f"{name}.bias"]
        return result

    for index, shape in enumerate(network.shapes):
        names, heads = network.layer(index), []
        biases = biases_by_distance(network, index, len(vectors))
        for head in range(shape.heads):
            rows = slice(head * sizes.head_size, (head + 1) * sizes.head_size)
            query, key, value = (
                linear(vectors, name)[:, rows] for name in (names.query, names.key, names.value)
            )
            scores = np.exp(query @ key.T / np.sqrt(sizes.head_size) + biases[head])
            heads.append(scores / scores.sum(axis=1, keepdims=True) @ value)
        context = np.concatenate(heads, axis=1) if heads else np.zeros((len(vectors), 0))
        attended = (
            linear(context, names.attention_output) if heads else tensors[f"{names.attention_output}.bias"]
        )
        vectors = normalised(vectors + attended, names.attention_norm)
        changed: NDArray[np.float64] = tensors[f"{names.down}.bias"].astype(np.float64)
        units = np.zeros((len(vectors), 0))
        if shape.units:
            hidden = linear(vectors, names.up)
            units = hidden * normal_distribution(hidden)
            changed = linear(units, names.down)
        vectors = normalised(vectors + changed, names.ffn_norm)
        found |= {("heads", index): context, ("units", index): units}
    return found


def normal_distribution(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.vectorize(lambda value: 0.5 * (1 + math.erf(value / math.sqrt(2))))(values)  # type: ignore[no-any-return]


def direct(network: Network, items: list[Batch]) -> dict[tuple[str, int], NDArray[np.float64]]:
    """Second moments, summed one token at a time."""
    sums: dict[tuple[str, int], NDArray[np.float64]] = {}
    for item in items:
        for place, values in inner_vectors(network, item).items():
            for row in values:
                longer = np.append(row, 1.0)
                sums[place] = sums.get(place, 0.0) + np.outer(longer, longer)
    return sums


def assert_near(moments: SecondMoments, expected: Mapping[tuple[str, int], NDArray[np.float64]]) -> None:
    for block, moment in expected.items():
        found = moments.blocks[block]
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, moment, rtol=1e-4, atol=1e-4 * np.abs(moment).max())


def test_sums_are_those_of_single_tokens() -> None:
    network = networks.alive(networks.tiny())
    items = networks.windows(network, LENGTHS)
    moments = measure_second_moments(network, items)
    assert moments.tokens == sum(LENGTHS)
    assert {block: moment.shape for block, moment in moments.blocks.items()} == {
        **{("heads", layer): (33, 33) for layer in range(2)},
        **{("units", layer): (65, 65) for layer in range(2)},
    }
    assert_near(moments, direct(network, items))


@pytest.mark.parametrize("name", ["distilbert", "mpnet"])
def test_other_names_and_layouts(tmp_path: Path, name: str) -> None:
    network = networks.alive(networks.load(name, tmp_path))
    items = networks.windows(network, (9, 5))
    assert_near(measure_second_moments(network, items), direct(network, items))


def test_biases_by_distance_of_the_heads_that_are_left(tmp_path: Path) -> None:
    network = networks.alive(networks.load("mpnet", tmp_path))
    table = "encoder.relative_attention_bias.weight"
    network = network.with_tensors({table: 9 * network.tensors[table]})
    items = networks.windows(network, (31, 22))
    for shapes in ((LayerShape(1, 24), LayerShape(2, 9)), (LayerShape(1, 0), LayerShape(1, 24))):
        cut = networks.sliced(network, networks.simple_orders(network), shapes)
        expected = {place: moment for place, moment in direct(cut, items).items() if len(moment) > 1}
        assert_near(measure_second_moments(cut, items), expected)


def test_padding_is_never_counted() -> None:
    network = networks.alive(networks.tiny())
    items = networks.windows(network, LENGTHS)
    padded = [
        {name: np.pad(values, ((0, 0), (0, 9)), constant_values=7 * (name == "input_ids"))}
        for item in items
        for name, values in item.items()
    ]
    names = len(items[0])
    rows = [
        {name: value for each in padded[start : start + names] for name, value in each.items()}
        for start in range(0, len(padded), names)
    ]
    moments, expected = measure_second_moments(network, rows), measure_second_moments(network, items)
    assert moments.tokens == sum(LENGTHS)
    assert moments.blocks.keys() == expected.blocks.keys()
    assert all(np.array_equal(moment, expected.blocks[block]) for block, moment in moments.blocks.items())


def test_blocks_that_are_gone_have_no_sums() -> None:
    network = networks.alive(networks.tiny())
    cut = networks.sliced(network, networks.simple_orders(network), (LayerShape(0, 40), LayerShape(2, 0)))
    items = networks.windows(network, LENGTHS)
    moments = measure_second_moments(cut, items)
    shapes = {block: moment.shape for block, moment in moments.blocks.items()}
    assert shapes == {("heads", 1): (17, 17), ("units", 0): (41, 41)}
    expected = {place: moment for place, moment in direct(cut, items).items() if len(moment) > 1}
    assert_near(moments, expected)


def test_the_same_windows_give_the_same_bits_and_arrays_come_back() -> None:
    network = networks.tiny()
    items = networks.windows(network, LENGTHS)
    steps: list[tuple[int, int | None]] = []
    moments = measure_second_moments(network, items, on_step=lambda done, total: steps.append((done, total)))
    assert steps == [(1, 1)]
    again = measure_second_moments(network, items)
    back = SecondMoments.from_arrays(again.arrays())
    assert back.tokens == moments.tokens
    for name, moment in moments.arrays().items():
        assert np.array_equal(moment, back.arrays()[name]), name


@pytest.mark.parametrize("tokens", [1, 30, 46, 1000])
def test_batches_hold_every_window_once(tokens: int) -> None:
    network = networks.tiny()
    items = networks.windows(network, LENGTHS)
    batches = pack(items, padding=3, tokens=tokens)
    rows = []
    for batch in batches:
        ids, mask = batch["input_ids"], batch["attention_mask"]
        assert ids.size <= tokens or len(ids) == 1
        assert ids.dtype == np.int32
        assert (ids[mask == 0] == 3).all()
        assert (batch["token_type_ids"][mask == 0] == 0).all()
        rows += [row[kept == 1].tolist() for row, kept in zip(ids, mask, strict=True)]
    assert sorted(rows) == sorted(item["input_ids"][0].tolist() for item in items)
    assert (len(batches) == 1) == (tokens == 1000)


def test_no_windows_are_refused() -> None:
    with pytest.raises(ValueError, match="no windows"):
        measure_second_moments(networks.tiny(), [])
