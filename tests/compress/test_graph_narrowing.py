"""Layers that change a part of the tokens: as a slow model has it, whatever else is in the batch."""

import math
from pathlib import Path

import networks
import numpy as np
import pytest
from checkpoints import OUTPUTS, TINY, copy, edit_config, run
from numpy.typing import NDArray
from spanjet.compress.prune.narrowing import narrow
from spanjet.compress.prune.network import Network
from spanjet.compress.quantize.ptq import calibrate, finish
from spanjet.model import load_model
from spanjet.model.graph.narrowing import LEAST, probe_name
from spanjet.runtime.openvino import ov

Array = NDArray[np.float64]
SHARES = [(1.0, 0.5), (1.0, 0.1), (0.75, 0.75), (0.5, 0.5), (0.6, 0.3), (0.4, 0.01)]


def narrowed(network: Network, shares: tuple[float, ...], seed: int = 0) -> Network:
    """With random probes."""
    generator, probes = np.random.default_rng(seed), {}
    for index in range(len(shares)):
        name = probe_name(f"{network.architecture.layers}.{index}")
        probes[f"{name}.weight"] = generator.normal(size=(2, network.architecture.hidden_size)).astype("f4")
        probes[f"{name}.bias"] = generator.normal(size=2).astype("f4")
    return narrow(network, shares, probes)


class Slow:
    """One window through a narrowed encoder, token by token where that is what the definition says."""

    def __init__(self, network: Network) -> None:
        self._network, self._sizes = network, network.architecture

    def __call__(self, vectors: Array) -> Array:
        """Logits, float64[tokens, 2], of the embeddings of one window without padding."""
        count, share = len(vectors), 1.0
        active, vectors = list(range(count)), vectors.copy()
        for index, shape in enumerate(self._network.shapes):
            if shape.tokens < share:
                share = shape.tokens
                probe = probe_name(f"{self._sizes.layers}.{index}")
                ranks = self._linear(vectors, probe).max(axis=1)
                ranks[0] = np.inf
                active = [active[place] for place in np.argsort(-ranks[active], kind="stable")]
                active = active[: max(1, int(np.ceil(np.float32(count) * np.float32(share))))]
            vectors = self._layer(index, vectors, active)
        logits = np.full((count, 2), float(LEAST))
        logits[active] = self._linear(vectors, "qa_outputs")[active]
        return logits

    def _layer(self, index: int, vectors: Array, active: list[int]) -> Array:
        names, heads = self._network.layer(index), self._network.shapes[index].heads
        query, key, value = (
            self._linear(vectors, name).reshape(len(vectors), heads, -1)
            for name in (names.query, names.key, names.value)
        )
        scores = np.einsum("qhd,khd->hqk", query, key) / np.sqrt(query.shape[2])
        odds = np.exp(scores - scores.max(axis=2, keepdims=True))
        context = np.einsum("hqk,khd->qhd", odds / odds.sum(axis=2, keepdims=True), value)
        attended = self._linear(context.reshape(len(vectors), -1), names.attention_output)
        middle = self._norm(attended + vectors, names.attention_norm)
        up = self._linear(middle, names.up)
        units = 0.5 * up * (1 + np.vectorize(math.erf)(up / np.sqrt(2)))
        changed = self._norm(self._linear(units, names.down) + middle, names.ffn_norm)
        result: Array = vectors.copy()
        result[active] = changed[active]
        return result

    def _linear(self, vectors: Array, name: str) -> Array:
        weight, bias = (
            self._network.tensors[f"{name}.{part}"].astype(np.float64) for part in ("weight", "bias")
        )
        result: Array = vectors @ weight.T + bias
        return result

    def _norm(self, vectors: Array, name: str) -> Array:
        weight, bias = (self._network.tensors[f"{name}.{part}"] for part in ("weight", "bias"))
        centred = vectors - vectors.mean(axis=1, keepdims=True)
        variance = np.square(centred).mean(axis=1, keepdims=True)
        result: Array = centred / np.sqrt(variance + self._sizes.layer_norm_eps) * weight + bias
        return result


def embeddings(network: Network, batch: dict[str, NDArray[np.int32]]) -> Array:
    model = network.build()
    node = next(node for node in model.get_ordered_ops() if node.get_friendly_name() == "embeddings.norm")
    tapped = ov.Model([node.output(0)], model.get_parameters(), "embeddings")
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    vectors: Array = ov.Core().compile_model(tapped, "CPU", settings)(batch)[0].astype(np.float64)
    return vectors


@pytest.fixture(scope="module")
def network() -> Network:
    return Network.load(TINY)


@pytest.mark.parametrize("shares", SHARES)
def test_what_is_computed(network: Network, shares: tuple[float, ...]) -> None:
    small = narrowed(network, shares)
    for length in (1, 2, 15, 16, 17, 40):
        batch = networks.windows(network, [length], seed=length)[0]
        logits = run(small.build(), batch)
        slow = Slow(small)(embeddings(network, batch)[0])
        found = np.stack([logits[name][0] for name in OUTPUTS], axis=1)
        assert np.array_equal(found == LEAST, slow == LEAST)
        assert np.abs(found - slow).max() < 1e-3
        assert found[0, 0] > LEAST


def test_the_last_layer_loses_nothing_else(network: Network) -> None:
    """Its tokens still look at all others: those that are left have the very logits of the whole network."""
    batch = networks.windows(network, [40])[0]
    whole, part = run(network.build(), batch), run(narrowed(network, (1.0, 0.3)).build(), batch)
    for name in OUTPUTS:
        kept = part[name] > LEAST
        assert kept.sum() == 12
        assert np.abs(part[name] - whole[name])[kept].max() < 1e-5


@pytest.mark.parametrize("shares", SHARES)
def test_nothing_depends_on_the_batch(network: Network, shares: tuple[float, ...]) -> None:
    compiled = ov.Core().compile_model(
        narrowed(network, shares).build(), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    lengths = (64, 33, 48, 7)
    alone = [networks.windows(network, [length], seed=length)[0] for length in lengths]
    together = {
        name: np.concatenate([np.pad(each[name], ((0, 0), (0, 64 - each[name].shape[1]))) for each in alone])
        for name in alone[0]
    }
    logits = {name: compiled(together)[name].copy() for name in OUTPUTS}
    for row, (length, batch) in enumerate(zip(lengths, alone, strict=True)):
        single = {
            name: np.pad(values, ((0, 0), (0, -values.shape[1] % 16))) for name, values in batch.items()
        }
        expected = compiled(single)
        for name in OUTPUTS:
            assert np.array_equal(logits[name][row, :length], expected[name][0, :length])


def test_written_and_read_back(network: Network, tmp_path: Path) -> None:
    small = narrowed(network, (0.75, 0.3))
    small.save(tmp_path / "small")
    batch = networks.windows(network, [30])[0]
    expected, logits = run(small.build(), batch), run(load_model(tmp_path / "small").model, batch)
    assert all(np.array_equal(logits[name], expected[name]) for name in OUTPUTS)
    assert [shape.tokens for shape in Network.load(tmp_path / "small").shapes] == [0.75, 0.3]


def test_quantized(network: Network) -> None:
    small = narrowed(network, (1.0, 0.5))
    model = finish(calibrate(small.build(), networks.windows(network, [20, 30, 40])))
    batch = networks.windows(network, [32], seed=9)[0]
    whole, part = run(small.build(), batch), run(model, batch)
    kept = (part["start_logits"] > LEAST) & (whole["start_logits"] > LEAST)
    assert kept.sum() >= 12
    assert np.corrcoef(part["start_logits"][kept], whole["start_logits"][kept])[0, 1] > 0.9


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([{"tokens": 0}, {}], r"layers\[0\]\.tokens\" is 0, expected a share above 0 and at most 1\.0"),
        ([{"tokens": 0.5}, {"tokens": 0.6}], r"layers\[1\]\.tokens\" is 0\.6, .* at most 0\.5"),
        ([{"tokens": 0.5}, {}], r"layers\[1\]\.tokens\" is 1\.0, .* at most 0\.5"),
        ([{"tokens": "all"}, {}], r"layers\[0\]\.tokens\" is \"all\", expected a share"),
        ([{"tokens": True}, {}], r"layers\[0\]\.tokens\" is true, expected a share"),
    ],
)
def test_damaged_shares(tmp_path: Path, layers: list[dict[str, object]], message: str) -> None:
    path = copy("distilbert", tmp_path / "model")
    sizes = Network.load(path).shapes
    full = {"heads": sizes[0].heads, "units": sizes[0].units}
    edit_config(path, spanjet={"layers": [{**full, **layer} for layer in layers]})
    with pytest.raises(ValueError, match=message):
        load_model(path)
