"""Products that functions are kept out of: the same values, rounded alike in any batch."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from spanjet.model.graph.activation_functions import ACTIVATIONS, activate
from spanjet.runtime import cpu as cpu_module
from spanjet.runtime.fusion import without_fusion
from spanjet.runtime.openvino import ops, ov, shared_core
from spanjet.runtime.precision import suited

WIDTH, UNITS = 768, 896
F32 = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}

where_it_matters = pytest.mark.skipif(
    not cpu_module.fused_products_round_by_rows(), reason="nothing is kept apart here; see test_determinism"
)

Build = Callable[[ov.Node], ov.Node]


def linear(vectors: ov.Node, rows: int, columns: int, name: str) -> ov.Node:
    values = np.random.default_rng(list(name.encode())).normal(0, columns**-0.5, (rows, columns))
    product = ops.matmul(
        vectors, ops.constant(values.astype(np.float32)), False, True, name=f"{name}.product"
    )
    return ops.add(product, ops.constant(np.full((1, 1, rows), 0.1, np.float32)), name=name)


def block(build: Build) -> ov.Model:
    """A feed-forward block."""
    vectors = ops.parameter([-1, -1, WIDTH], np.float32)
    inner = build(linear(vectors, UNITS, WIDTH, "up"))
    return ov.Model([linear(inner, WIDTH, UNITS, "down")], [vectors])


def written_gelu(vectors: ov.Node) -> ov.Node:
    """The function as exporters write it."""
    root = ops.erf(ops.divide(vectors, ops.constant(np.float32(2**0.5))))
    half = ops.multiply(vectors, ops.constant(np.float32(0.5)))
    return ops.multiply(half, ops.add(root, ops.constant(np.float32(1))))


def attention() -> ov.Model:
    """The scores of four heads; OpenVINO moves their factor into the keys."""
    vectors = ops.parameter([-1, -1, WIDTH], np.float32)

    def heads(name: str, order: list[int]) -> ov.Node:
        split = ops.reshape(linear(vectors, 256, WIDTH, name), np.array([0, 0, 4, 64]), True)
        return ops.transpose(split, np.array(order))

    product = ops.matmul(heads("query", [0, 2, 1, 3]), heads("key", [0, 2, 3, 1]), False, False)
    return ov.Model([ops.multiply(product, ops.constant(np.float32(0.125)))], [vectors])


MODELS: dict[str, Callable[[], ov.Model]] = {
    **{
        name: lambda name=name: block(lambda vectors: activate(vectors, name, name="activation"))  # type: ignore[misc]
        for name in ACTIVATIONS
    },
    "written": lambda: block(written_gelu),
    "factor": lambda: block(lambda vectors: ops.multiply(vectors, ops.constant(np.float32(0.3)))),
    "attention": attention,
}


def inputs(count: int) -> NDArray[np.float32]:
    """Sequences of 16 tokens."""
    return np.random.default_rng(5).normal(size=(count, 16, WIDTH)).astype(np.float32)


def fused(model: ov.Model) -> list[str]:
    """What OpenVINO fuses into each product with weights, its bias aside."""
    found = []
    for node in shared_core().compile_model(model, "CPU", F32).get_runtime_model().get_ops():
        information = node.get_rt_info()
        if information["layerType"].astype(str) == "FullyConnected":
            names = information["originalLayersNames"].astype(str).split(",")
            found += [name for name in names if name.split(".")[0] not in ("up", "down", "query", "key")]
    return found


@pytest.mark.parametrize("name", MODELS)
def test_nothing_is_fused_and_values_stay(name: str) -> None:
    model = MODELS[name]()
    apart = without_fusion(model)
    assert fused(apart) == []
    assert len(model.get_ops()) < len(apart.get_ops())
    before, after = (shared_core().compile_model(each, "CPU", F32)([inputs(8)])[0] for each in (model, apart))
    np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-5)


@where_it_matters
def test_what_is_not_a_number_stays_so() -> None:
    sequences = inputs(2)
    sequences[1, 3, 5] = np.nan
    found = shared_core().compile_model(without_fusion(MODELS["gelu"]()), "CPU", F32)([sequences])[0]
    assert np.isnan(found).any(axis=2).tolist() == [[False] * 16, [place == 3 for place in range(16)]]


def test_functions_would_be_fused() -> None:
    """Otherwise the test above says nothing."""
    assert len(fused(MODELS["gelu"]())) > 0
    assert len(fused(MODELS["attention"]())) > 0


@where_it_matters
@pytest.mark.parametrize("name", MODELS)
def test_rounding_does_not_depend_on_the_rows(name: str) -> None:
    compiled = shared_core().compile_model(suited(MODELS[name]()), "CPU", F32)
    sequences = inputs(25)
    together = compiled([sequences])[0].copy()
    for count in (1, 2, 3, 4, 5, 6, 7, 16):
        found = compiled([sequences[:count].copy()])[0]
        np.testing.assert_array_equal(found.view(np.int32), together[:count].view(np.int32))


def test_what_has_no_function_stays_as_it_is() -> None:
    """A product that is added to what it is of, as in a residual connection, or of two values."""
    vectors = ops.parameter([-1, -1, WIDTH], np.float32)
    total = ops.add(linear(vectors, WIDTH, WIDTH, "up"), vectors)
    scores = ops.softmax(ops.matmul(total, vectors, False, True), 2)
    model = ov.Model([scores], [vectors])
    assert len(without_fusion(model).get_ops()) == len(model.get_ops())


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("sse4_1 avx2", True),
        ("sse4_1 avx2 avx_vnni", True),
        ("sse4_1 avx2 avx512f", False),
        ("sse4_1 avx2 avx512f avx512_vnni amx_int8", False),
        ("asimd", False),
    ],
)
def test_where_it_matters(flags: str, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_module, "instruction_sets", flags.split)
    model = MODELS["gelu"]()
    assert (suited(model) is not model) == expected
