"""Cut networks are fitted: each block by itself, or one after another, never worse on held-out windows."""

import networks
import numpy as np
import pytest
from checkpoints import OUTPUTS, Batch
from numpy.typing import NDArray
from spanjet.compress.prune.layerwise_fit import refit
from spanjet.compress.prune.least_squares import LeastSquares
from spanjet.compress.prune.network import Network
from spanjet.compress.prune.one_shot import OneShot
from spanjet.compress.prune.optimal_brain_surgeon import damped, reduced
from spanjet.compress.prune.qa_head import HeadData, refit_head
from spanjet.compress.prune.removal_order import Orders, find_orders
from spanjet.compress.prune.second_moments import SecondMoments, measure_second_moments
from spanjet.model.layer_shape import LayerShape
from spanjet.runtime.openvino import ops, shared_core

SHAPES = (LayerShape(3, 40), LayerShape(2, 20))
# Tokens enough for the widest block.
FIT, HELD_OUT = (90, 124, 133, 128, 99, 115), (95, 131, 118)


@pytest.fixture(scope="module")
def network() -> Network:
    return networks.alive(networks.tiny())


@pytest.fixture(scope="module")
def fit(network: Network) -> list[Batch]:
    return networks.windows(network, FIT)


@pytest.fixture(scope="module")
def held_out(network: Network) -> list[Batch]:
    return networks.windows(network, HELD_OUT, seed=1)


@pytest.fixture(scope="module")
def moments(network: Network, fit: list[Batch]) -> SecondMoments:
    return measure_second_moments(network, fit)


@pytest.fixture(scope="module")
def orders(network: Network, moments: SecondMoments) -> Orders:
    return find_orders(network, moments)


def values_of(network: Network, names: list[str], items: list[Batch]) -> list[NDArray[np.float32]]:
    """What nodes give for all tokens of some windows, joined."""
    model = network.build()
    nodes = {node.get_friendly_name(): node for node in model.get_ordered_ops()}
    model.add_results([ops.result(nodes[name].output(0)) for name in names])
    compiled = shared_core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = [[np.array(values[0]) for values in list(compiled(dict(item)).values())[2:]] for item in items]
    return [np.concatenate(parts) for parts in zip(*found, strict=True)]


def divergence(network: Network, whole: Network, items: list[Batch]) -> float:
    total = 0.0
    for name in OUTPUTS:
        for expected, found in zip(
            logits_of(whole, name, items), logits_of(network, name, items), strict=True
        ):
            one, two = (each - np.log(np.exp(each).sum()) for each in (expected, found))
            total += float((np.exp(one) * (one - two)).sum())
    return total


def logits_of(network: Network, name: str, items: list[Batch]) -> list[NDArray[np.float64]]:
    compiled = shared_core().compile_model(network.build(), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return [compiled(dict(item))[name].astype(np.float64)[0] for item in items]


def test_one_shot_is_the_closed_form_of_each_block(
    network: Network, moments: SecondMoments, orders: Orders
) -> None:
    made = OneShot(network, moments, orders)(SHAPES)
    assert made.shapes == SHAPES
    for index, shape in enumerate(SHAPES):
        names = network.layer(index)
        heads, units = (orders.blocks[name, index] for name in ("heads", "units"))
        rows = (heads.kept(shape.heads)[:, None] * 8 + np.arange(8)).reshape(-1)
        for output, moment, kept, readers in (
            (
                names.attention_output,
                moments.blocks["heads", index],
                rows,
                (names.query, names.key, names.value),
            ),
            (names.down, moments.blocks["units", index], units.kept(shape.units), (names.up,)),
        ):
            weight, bias = (network.tensors[f"{output}.{part}"] for part in ("weight", "bias"))
            fitted, shift = reduced(weight, bias, damped(moment), kept)
            assert np.array_equal(made.tensors[f"{output}.weight"], fitted)
            assert np.array_equal(made.tensors[f"{output}.bias"], shift)
            for reader in readers:
                for part in ("weight", "bias"):
                    name = f"{reader}.{part}"
                    assert np.array_equal(made.tensors[name], network.tensors[name][kept])


def test_what_is_not_cut_is_shared(network: Network, moments: SecondMoments, orders: Orders) -> None:
    made = OneShot(network, moments, orders)
    shapes = (network.shapes[0], LayerShape(4, 33))
    first, again = made(shapes), made((LayerShape(1, 64), LayerShape(4, 33)))
    down, output = f"{network.layer(1).down}.weight", f"{network.layer(0).attention_output}.weight"
    assert first.tensors[down] is again.tensors[down]
    assert first.tensors[output] is network.tensors[output]
    assert again.tensors[output].shape == (32, 8)
    whole = made(network.shapes)
    assert all(whole.tensors[name] is value for name, value in network.tensors.items())


def test_a_dropped_block_leaves_its_mean(network: Network, moments: SecondMoments, orders: Orders) -> None:
    made = OneShot(network, moments, orders)((LayerShape(0, 0), LayerShape(4, 64)))
    for output, moment in (
        (network.layer(0).attention_output, moments.blocks["heads", 0]),
        (network.layer(0).down, moments.blocks["units", 0]),
    ):
        mean = moment[-1, :-1] / moment[-1, -1]
        weight, bias = (network.tensors[f"{output}.{part}"] for part in ("weight", "bias"))
        np.testing.assert_allclose(made.tensors[f"{output}.bias"], weight @ mean + bias, rtol=1e-4, atol=1e-4)
        assert f"{output}.weight" not in made.tensors


def test_fitted_blocks_are_nearer_than_sliced_ones(
    network: Network, moments: SecondMoments, orders: Orders, held_out: list[Batch]
) -> None:
    nodes = ["encoder.layer.0.ffn.down"]
    shapes = (LayerShape(4, 30), LayerShape(4, 64))
    expected = values_of(network, nodes, held_out)[0]
    errors = [
        float(np.square(values_of(made, nodes, held_out)[0] - expected).sum())
        for made in (OneShot(network, moments, orders)(shapes), networks.sliced(network, orders, shapes))
    ]
    assert errors[0] < 0.5 * errors[1]


@pytest.mark.parametrize(
    "shapes",
    [SHAPES, (LayerShape(0, 40), LayerShape(2, 0)), (LayerShape(4, 64), LayerShape(1, 9))],
    ids=["both", "dropped", "last"],
)
def test_no_sublayer_is_worse_on_held_out_windows(
    network: Network,
    moments: SecondMoments,
    orders: Orders,
    shapes: tuple[LayerShape, ...],
    fit: list[Batch],
    held_out: list[Batch],
) -> None:
    """The sums that each sublayer normalises, with it fitted and without, all before it being fitted."""
    start = OneShot(network, moments, orders)(shapes)
    made = refit(network, start, fit, held_out, head=False)
    assert made.shapes == shapes
    changed = {name for name, value in made.tensors.items() if value is not start.tensors[name]}
    products = [
        getattr(network.layer(index), part) for index in range(2) for part in ("attention_output", "down")
    ]
    assert changed <= {f"{name}.{part}" for name in products for part in ("weight", "bias")}
    sums = [f"encoder.layer.{index}.{part}.residual" for index in range(2) for part in ("attention", "ffn")]
    expected = values_of(network, sums, held_out)
    so_far, gains = start, []
    for step, (node, product) in enumerate(zip(sums, products, strict=True)):
        before = np.square(values_of(so_far, [node], held_out)[0] - expected[step]).sum()
        names = [f"{product}.{part}" for part in ("weight", "bias")]
        so_far = so_far.with_tensors({name: made.tensors[name] for name in names if name in made.tensors})
        after = np.square(values_of(so_far, [node], held_out)[0] - expected[step]).sum()
        assert after <= before * (1 + 1e-5)
        gains.append(1 - after / max(before, 1e-9))
    assert max(gains) > 0.05
    assert set(so_far.tensors) == set(made.tensors)


def test_nothing_cut_is_nothing_changed(network: Network, fit: list[Batch], held_out: list[Batch]) -> None:
    made = refit(network, network, fit, held_out)
    assert all(made.tensors[name] is value for name, value in network.tensors.items())


def test_all_of_it_is_nearer_the_whole_network(
    network: Network, moments: SecondMoments, orders: Orders, fit: list[Batch], held_out: list[Batch]
) -> None:
    steps: list[tuple[int, int]] = []
    start = OneShot(network, moments, orders)(SHAPES)
    made = refit(network, start, fit, held_out, on_step=lambda *done: steps.append(done))
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    without_head = refit(network, start, fit, held_out, head=False)
    near, nearer, nearest = (divergence(each, network, held_out) for each in (start, without_head, made))
    assert nearest <= nearer < near


def test_the_same_windows_give_the_same_bits_with_padding_or_without(
    network: Network, moments: SecondMoments, orders: Orders, fit: list[Batch], held_out: list[Batch]
) -> None:
    start = OneShot(network, moments, orders)(SHAPES)
    padded = [{name: np.pad(value, ((0, 0), (0, 7))) for name, value in item.items()} for item in fit]
    one, two = (refit(network, start, items, held_out) for items in (fit, padded))
    assert all(np.array_equal(two.tensors[name], value) for name, value in one.tensors.items())


def test_corrections_are_ridge_regressions() -> None:
    generator = np.random.default_rng(0)
    inner = generator.standard_normal((300, 6)).astype(np.float32) * np.float32(3)
    missing = generator.standard_normal((300, 4)).astype(np.float32)
    squares = LeastSquares(6, 4)
    for part in (slice(0, 100), slice(100, 300)):
        squares.add(inner[part], missing[part])
    for damping, (weight, bias) in zip((0.0, 0.3), squares.corrections((0.0, 0.3)), strict=True):
        ridge = np.sqrt(damping * np.square(inner).sum() / 6) * np.eye(6)
        rows = np.block([[inner, np.ones((300, 1))], [ridge, np.zeros((6, 1))]])
        expected = np.linalg.lstsq(rows, np.concatenate([missing, np.zeros((6, 4))]), rcond=None)[0].T
        np.testing.assert_allclose(np.column_stack([weight, bias]), expected, atol=1e-4)
    bias_alone = LeastSquares(0, 4)
    bias_alone.add(inner[:, :0], missing)
    weight, bias = bias_alone.corrections((1.0,))[0]
    assert weight.shape == (4, 0)
    np.testing.assert_allclose(bias, missing.mean(axis=0), atol=1e-5)


def head_data(seed: int, rotation: NDArray[np.float32]) -> HeadData:
    """Vectors of both networks, which differ by a linear map; some padding."""
    generator = np.random.default_rng(seed)
    whole = [generator.standard_normal((5, 12, 32)).astype(np.float32) for _ in range(8)]
    masks = [(np.arange(12) < generator.integers(4, 13, (5, 1))).astype(np.int32) for _ in range(8)]
    return HeadData(masks, whole, [vectors @ rotation for vectors in whole])


def test_the_head_is_fitted_to_the_probabilities(network: Network) -> None:
    generator = np.random.default_rng(3)
    rotation = (np.eye(32) + 0.1 * generator.standard_normal((32, 32))).astype(np.float32)
    fitted = refit_head(network, head_data(0, rotation), head_data(1, rotation))["qa_outputs.weight"]
    data, weight = head_data(2, rotation), network.tensors["qa_outputs.weight"]

    def missed(head: NDArray[np.float32]) -> float:
        total = 0.0
        for mask, teacher, student in zip(data.masks, data.teacher, data.student, strict=True):
            for row in range(len(mask)):
                real = mask[row] == 1
                one, two = teacher[row][real] @ weight.T, student[row][real] @ head.T
                one, two = (each - np.log(np.exp(each).sum(axis=0)) for each in (one, two))
                total += float((np.exp(one) * (one - two)).sum())
        return total

    assert missed(fitted) < 0.3 * missed(weight)


def test_a_head_that_fits_stays(network: Network) -> None:
    same = np.eye(32, dtype=np.float32)
    assert refit_head(network, head_data(0, same), head_data(1, same)) == {}
