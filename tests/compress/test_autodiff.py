"""Gradients of graphs against differences of what the graphs give."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from spanjet.compress.distill.autodiff import differentiate
from spanjet.model.graph.activation_functions import ACTIVATIONS, activate
from spanjet.runtime.openvino import ops, ov, shared_core

Array = NDArray[np.float32]
Build = Callable[..., ov.Node]

STEP = 1e-2


def values(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng([seed, *shape]).uniform(-2, 2, shape).astype(np.float32)


def compiled(results: Sequence[ov.Output], parameters: Sequence[ov.Node]) -> ov.CompiledModel:
    model = ov.Model([ops.result(result) for result in results], list(parameters), "test")
    return shared_core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def check(build: Build, *inputs: Array, dynamic: bool = True, tolerance: float = 2e-3) -> None:
    """Directional derivatives of a random combination of all that a graph gives."""
    parameters = [ops.parameter([-1] * each.ndim if dynamic else each.shape, np.float32) for each in inputs]
    node = build(*parameters)
    plain = compiled(node.outputs(), parameters)
    given = plain(list(inputs))
    weights = [values(*given[index].shape, seed=7) for index in range(len(node.outputs()))]
    seeds = [
        (output, ops.constant(weight).output(0))
        for output, weight in zip(node.outputs(), weights, strict=True)
    ]
    gradients = differentiate(seeds, [each.output(0) for each in parameters])
    found = compiled(gradients, parameters)(list(inputs))

    def number(changed: Sequence[Array]) -> float:
        results = plain(list(changed))
        return float(
            sum((weight.astype(np.float64) * results[index]).sum() for index, weight in enumerate(weights))
        )

    for place, each in enumerate(inputs):
        assert found[place].shape == each.shape
        for seed in range(4):
            direction = values(*each.shape, seed=seed + 20)
            ends = [
                number([*inputs[:place], each + sign * STEP * direction, *inputs[place + 1 :]])
                for sign in (1, -1)
            ]
            expected = (ends[0] - ends[1]) / (2 * STEP)
            scale = float(np.abs(found[place] * direction).sum()) + 1e-3
            assert (found[place] * direction).sum() == pytest.approx(expected, abs=tolerance * scale)


@pytest.mark.parametrize("turned_left", [False, True])
@pytest.mark.parametrize("turned_right", [False, True])
@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_products(turned_left: bool, turned_right: bool, batch: tuple[int, ...]) -> None:
    left = values(*batch, *((5, 4) if turned_left else (4, 5)))
    right = values(*batch, *((6, 5) if turned_right else (5, 6)), seed=1)
    check(lambda a, b: ops.matmul(a, b, turned_left, turned_right), left, right)


@pytest.mark.parametrize("turned", [False, True])
def test_products_with_one_weight_for_all_rows(turned: bool) -> None:
    weight = values(*((6, 5) if turned else (5, 6)), seed=1)
    check(lambda a, b: ops.matmul(a, b, False, turned), values(2, 3, 5), weight, dynamic=False)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("outputs", [16, 24])
def test_products_with_a_constant(turned: bool, outputs: int) -> None:
    """Square ones too, which OpenVINO mistakes for their transposes where it reads them in both ways."""
    weight = ops.constant(values(*((outputs, 16) if turned else (16, outputs)), seed=1))

    def build(x: ov.Node) -> ov.Node:
        product = ops.matmul(x, weight, False, turned)
        return ops.multiply(product, product)

    check(build, values(2, 3, 16), tolerance=4e-3)


@pytest.mark.parametrize("operation", [ops.add, ops.subtract, ops.multiply])
@pytest.mark.parametrize(
    "shapes", [((2, 3, 4), (4,)), ((2, 3, 4), (2, 1, 4)), ((1, 4), (3, 1)), ((3,), (3,))]
)
def test_broadcasts(operation: Build, shapes: tuple[tuple[int, ...], ...]) -> None:
    left, right = (values(*shape, seed=index) for index, shape in enumerate(shapes))
    check(operation, left, right, dynamic=False)


def test_an_unknown_first_dimension() -> None:
    """As of batches: what is added to all rows gets the sum of their gradients."""
    check(ops.add, values(3, 4), values(4, seed=1))


@pytest.mark.parametrize("name", list(ACTIVATIONS))
def test_activations(name: str) -> None:
    """Away from kinks, where there is no derivative."""
    inputs = values(6, 7)
    inputs[np.abs(inputs) < 0.05] = 0.5
    check(lambda x: activate(x, name, name="node"), inputs, tolerance=5e-3)
    check(lambda x: activate(x, name, name="node"), 8 * inputs, tolerance=5e-3)


SIMPLE: dict[str, tuple[Build, tuple[int, ...]]] = {
    "softmax": (lambda x: ops.softmax(x, -1), (3, 5)),
    "normal": (lambda x: ops.mvn(x, np.array([-1]), True, 1e-5, "inside_sqrt"), (3, 8)),
    "transpose": (lambda x: ops.transpose(x, np.array([2, 0, 1])), (2, 3, 4)),
    "reshape": (lambda x: ops.reshape(x, np.array([0, 2, 2]), True), (3, 4)),
    "squeeze": (lambda x: ops.squeeze(x, np.array([1])), (3, 1, 4)),
    "unsqueeze": (lambda x: ops.unsqueeze(x, np.array([1])), (3, 4)),
    "split": (lambda x: ops.split(x, np.int64(-1), 2), (3, 4)),
    "one part of a split": (lambda x: ops.split(x, np.int64(1), 2).output(1).get_node(), (3, 4)),
    "sum": (lambda x: ops.reduce_sum(x, np.array([1]), False), (3, 4, 2)),
    "sum that keeps dimensions": (lambda x: ops.reduce_sum(x, np.array([0, 2]), True), (3, 4, 2)),
    "sums of a node used twice": (lambda x: ops.add(ops.multiply(x, x), x), (3, 4)),
}


@pytest.mark.parametrize("name", list(SIMPLE))
def test_operations(name: str) -> None:
    build, shape = SIMPLE[name]
    check(build, values(*shape))


def test_refused() -> None:
    x, y = (ops.parameter([3], np.float32, name=name) for name in "xy")
    seed = ops.constant(np.ones(3, np.float32)).output(0)
    with pytest.raises(ValueError, match="nothing depends on y"):
        differentiate([(ops.add(x, x).output(0), seed)], [x.output(0), y.output(0)])
    with pytest.raises(ValueError, match="wave: Cos has no rule"):
        differentiate([(ops.cos(x, name="wave").output(0), seed)], [x.output(0)])
