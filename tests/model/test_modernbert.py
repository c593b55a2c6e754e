"""ModernBERT's own: local attention, positions, fused tensors, long windows, padding."""

import json
from pathlib import Path
from typing import Any

import checkpoints
import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file
from spanjet import Reader, RuntimeConfig, WindowConfig
from spanjet.compress.latency.synthetic_int8 import insert_quantizers
from spanjet.compress.prune.network import Network
from spanjet.compress.quantize.ptq import finish, quantize
from spanjet.model import load_model
from spanjet.model.graph.local_attention import LocalAttention
from spanjet.model.graph.rotary_position import RotaryPositions
from spanjet.model.graph.tensors import FusedTensors, Tensors
from spanjet.model.model_info import describe_model
from spanjet.model.random_weights import ModernBertShape, write_checkpoint
from spanjet.runtime.cpu import int8_saturates
from spanjet.runtime.openvino import ops, ov, shared_core
from spanjet.runtime.products import is_product, is_quantized_product

GOLDEN = checkpoints.ARCHITECTURES / "modernbert" / "logits.npz"
F32 = {"INFERENCE_PRECISION_HINT": "f32"}
SMALL = ModernBertShape(width=64, layers=5, heads=2, units=80, vocabulary=400, positions=2048)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model with windows of local attention as in ModernBERT, 64 tokens on each side."""
    path = tmp_path_factory.mktemp("modernbert") / "checkpoint"
    write_checkpoint(path, SMALL)
    generator = np.random.default_rng(7)

    def spread(tensors: checkpoints.Tensors) -> checkpoints.Tensors:
        """Make weights so large that places far away matter, and logits differ."""
        tables = {name: values for name, values in tensors.items() if values.ndim > 1}
        return tensors | {
            name: (generator.standard_normal(values.shape) / 4).astype(np.float32)
            for name, values in tables.items()
        }

    checkpoints.edit_tensors(path, spread)
    return path


def length_of(node: ov.Node) -> ov.Node:
    return ops.gather(ops.shape_of(node), np.array([1], np.int64), np.int64(0))


@pytest.mark.parametrize("reach", [0, 1, 15, 16, 17, 64])
def test_local_attention_equals_a_mask(reach: int) -> None:
    generator, heads, size, longest = np.random.default_rng(reach), 2, 8, 300
    mask = ops.parameter([-1, -1], np.int32)
    tensors = [ops.parameter([-1, heads, -1, size], np.float32) for _ in range(3)]
    local = LocalAttention(mask, length_of(mask), longest=longest, reach=reach, heads=heads, head_size=size)
    node = local.attend(*tensors, scale=0.5, inner=heads * size, name="layer")
    compiled = shared_core().compile_model(ov.Model([node], [mask, *tensors], "local"), "CPU", F32)
    for length in (1, 15, 16, 17, 64, 65, 200, 300):
        values = [generator.standard_normal((2, heads, length, size)).astype(np.float32) for _ in range(3)]
        tokens = np.ones((2, length), np.int32)
        tokens[1, length // 2 + 1 :] = 0
        found = compiled([tokens, *values])[0]
        query, key, value = values
        expected = masked_attention(query, key, value, tokens, reach)
        assert found.shape == (2, length, heads * size)
        assert np.abs(found - expected)[tokens == 1].max() < 1e-5


def masked_attention(
    query: NDArray[Any], key: NDArray[Any], value: NDArray[Any], tokens: NDArray[np.int32], reach: int
) -> NDArray[Any]:
    """Local attention by its definition: all pairs, and a mask."""
    places = np.arange(query.shape[2])
    near = np.abs(places[:, None] - places) <= reach
    scores = np.einsum("bhqd,bhkd->bhqk", query, key) * 0.5
    scores = np.where(near & (tokens[:, None, None, :] == 1), scores, -1e9)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    context = np.einsum("bhqk,bhkd->bqhd", weights / weights.sum(axis=-1, keepdims=True), value)
    joined: NDArray[Any] = context.reshape(*context.shape[:2], -1)
    return joined


def test_rotations_are_those_of_pairs_of_components() -> None:
    heads = ops.parameter([-1, 2, -1, 6], np.float32)
    length = ops.gather(ops.shape_of(heads), np.array([2], np.int64), np.int64(0))
    rotary = RotaryPositions(length, longest=50, head_size=6, base=100.0, name="rotary")
    node = rotary.rotate(heads, name="rotated")
    compiled = shared_core().compile_model(ov.Model([node], [heads], "rotary"), "CPU", F32)
    values = np.random.default_rng(0).standard_normal((3, 2, 50, 6)).astype(np.float32)
    angles = np.arange(50)[:, None] * 100.0 ** (-np.arange(3) / 3)
    turned = (values[..., :3] + 1j * values[..., 3:]) * np.exp(1j * angles)
    expected = np.concatenate([turned.real, turned.imag], axis=-1)
    assert np.abs(compiled(values)[0] - expected).max() < 1e-5


def test_openvino_rotates_by_its_own_operation(checkpoint: Path) -> None:
    """The nodes are written in the way that it recognises: otherwise each layer copies queries and keys."""
    compiled = shared_core().compile_model(load_model(checkpoint).model, "CPU", F32)
    kinds = [node.get_rt_info()["layerType"].astype(str) for node in compiled.get_runtime_model().get_ops()]
    assert kinds.count("RoPE") == 2 * SMALL.layers


def test_fused_tensors_are_taken_apart() -> None:
    values = {"a.Wqkv.weight": np.arange(24, dtype=np.float32).reshape(6, 4), "b": np.ones(2, np.float32)}
    source = FusedTensors(Tensors(values), {"Wqkv": ("query", "key", "value")})
    for index, part in enumerate(("query", "key", "value")):
        found = source.take(f"a.{part}.weight", (2, 4))
        np.testing.assert_array_equal(found, values["a.Wqkv.weight"][2 * index : 2 * index + 2])
        assert np.shares_memory(found, values["a.Wqkv.weight"])
    with pytest.raises(ValueError, match="1 tensors were not expected"):
        source.finish()
    source.take("b", (2,))
    source.finish()
    with pytest.raises(ValueError, match=r"'a\.Wqkv\.weight' is .*\[6, 4\], expected float32\[9, 4\]"):
        FusedTensors(Tensors(values), {"Wqkv": ("query", "key", "value")}).take("a.key.weight", (3, 4))


@pytest.mark.parametrize(
    "changes",
    [
        {
            "layer_types": [f"{kind}_attention" for kind in ("full", *["sliding"] * 2, "full", "sliding")],
            "global_attn_every_n_layers": None,
        },
        {
            "rope_parameters": {
                "full_attention": {"rope_type": "default", "rope_theta": 160000.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
            },
            "global_rope_theta": 7.0,
            "local_rope_theta": 7.0,
        },
        {"rope_parameters": {"full_attention": {"rope_type": "default"}, "sliding_attention": None}},
        {"architectures": None, "position_embedding_type": "absolute", "layer_norm_eps": 0.5},
    ],
    ids=["layer types", "bases", "defaults", "old keys"],
)
def test_configurations_of_other_versions(tmp_path: Path, changes: dict[str, Any]) -> None:
    """Those of transformers 5 name layers and bases in another way, and the hub's have unused keys."""
    path = checkpoints.copy("modernbert", tmp_path / "checkpoint")
    config = json.loads((path / "config.json").read_text()) | changes
    (path / "config.json").write_text(
        json.dumps({key: value for key, value in config.items() if value is not None})
    )
    assert checkpoints.largest_difference(load_model(path).model, GOLDEN) < 1e-5


@pytest.mark.parametrize(
    "changes",
    [
        {"layer_types": ["sliding_attention"] * 5},
        {"layer_types": ["full_attention"] * 5},
        {"global_attn_every_n_layers": 2},
        {"local_attention": 10},
        {"local_rope_theta": 20.0},
        {"rope_parameters": {"full_attention": {"rope_theta": 20.0}}},
    ],
    ids=str,
)
def test_every_setting_matters(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = checkpoints.copy("modernbert", tmp_path / "checkpoint")
    checkpoints.edit_config(path, **changes)
    assert checkpoints.largest_difference(load_model(path).model, GOLDEN) > 1e-4


def inputs_of(rows: list[NDArray[np.int64]], length: int) -> checkpoints.Batch:
    ids = np.zeros((len(rows), length), np.int32)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = row
    return {"input_ids": ids, "attention_mask": (ids > 0).astype(np.int32)}


@pytest.mark.parametrize("kind", ["f32", "bf16", "int8", "int8 in f32"])
def test_padding_changes_no_bit(checkpoint: Path, kind: str) -> None:
    """A window alone at its own length, in a batch of others, and behind much padding."""
    model = load_model(checkpoint).model
    if kind.startswith("int8"):
        insert_quantizers(model, widen=4)
        model = finish(model)
    chosen = {"INFERENCE_PRECISION_HINT": "bf16" if kind == "bf16" else "f32"}
    precision = {} if kind == "int8" else chosen
    alone, together = (
        shared_core().compile_model(model, "CPU", {"PERFORMANCE_HINT": hint, **precision})
        for hint in ("LATENCY", "THROUGHPUT")
    )
    generator = np.random.default_rng(3)
    rows = [generator.integers(5, 400, length) for length in (7, 16, 64, 127, 200, 321)]
    batch = together(inputs_of(rows, 512))
    for place, row in enumerate(rows):
        own = alone(inputs_of([row], -(-len(row) // 16) * 16))
        for output in checkpoints.OUTPUTS:
            found, expected = batch[output][place, : len(row)], own[output][0, : len(row)]
            assert expected.std() > 0.01
            np.testing.assert_array_equal(found.view(np.int32), expected.view(np.int32))


def test_a_fixed_length_changes_nothing(checkpoint: Path) -> None:
    model = load_model(checkpoint).model
    row = np.random.default_rng(4).integers(5, 400, 150)
    free = shared_core().compile_model(model, "CPU", F32)(inputs_of([row], 160))
    fixed = model.clone()
    fixed.reshape({name: [-1, 320] for name in ("input_ids", "attention_mask")})
    found = shared_core().compile_model(fixed, "CPU", F32)(inputs_of([row], 320))
    for output in checkpoints.OUTPUTS:
        assert np.abs(found[output][0, :150] - free[output][0, :150]).max() < 1e-4


def test_windows_as_long_as_the_model(checkpoint: Path) -> None:
    """A text of thousands of tokens is one window, and answered as it is by batches of any budget."""
    text = " ".join(f"the {index} words of page {index}" for index in range(70))
    answers = []
    for budget in (64, 8192):
        reader = Reader(
            checkpoint,
            window_config=WindowConfig(max_length=2048),
            runtime_config=RuntimeConfig(cache_dir=None, precision="f32", batch_tokens=budget),
        )
        windows = reader.windows(["which page"], [text])
        assert len(windows) == 1
        assert 1024 < len(windows.ids) < 2048
        answers.append(reader.ask_many(["which page", "how"], [text, text[:300]], top_k=3))
    assert answers[0] == answers[1]
    with pytest.raises(ValueError, match="2048"):
        Reader(checkpoint, window_config=WindowConfig(max_length=2049))


def test_info_counts_the_checkpoints_parameters(checkpoint: Path) -> None:
    described = describe_model(load_model(checkpoint))
    tensors = load_file(checkpoint / checkpoints.WEIGHTS)
    assert described["parameters"] == sum(values.size for values in tensors.values())
    assert described["max_length"] == 2048


def test_layers_cannot_be_cut(checkpoint: Path) -> None:
    with pytest.raises(ValueError, match="layers of modernbert models cannot be cut, expected one of"):
        Network.load(checkpoint)


def test_products_of_rotated_queries_and_keys_stay_in_floating_point(tmp_path: Path) -> None:
    """What lies between them and the linear layers would make each of their quantizers an operation."""
    loaded = load_model(checkpoints.copy("modernbert", tmp_path / "checkpoint"))
    ids = np.random.default_rng(0).integers(5, 159, (2, 32), dtype=np.int32)
    inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    quantized = quantize(loaded.model, [inputs], half_range=int8_saturates())
    products = {node.get_friendly_name(): node for node in quantized.get_ops() if is_product(node)}
    layers = range(5)
    for layer in layers:
        assert not is_quantized_product(products[f"encoder.layer.{layer}.attention.scores.product"])
        for part in (
            "attention.query",
            "attention.key",
            "attention.output",
            "ffn.up",
            "ffn.gate",
            "ffn.down",
        ):
            assert is_quantized_product(products[f"encoder.layer.{layer}.{part}"])
    logits, expected = checkpoints.run(quantized, inputs), checkpoints.run(loaded.model, inputs)
    for output in checkpoints.OUTPUTS:
        assert 0 < np.abs(logits[output] - expected[output]).max() < 0.5
        assert np.corrcoef(logits[output].ravel(), expected[output].ravel())[0, 1] > 0.9


def test_a_width_that_the_weights_lack_takes_no_memory(tmp_path: Path) -> None:
    """Tables of positions of that width would have 2^40 numbers."""
    checkpoint = checkpoints.copy("modernbert", tmp_path / "modernbert")
    checkpoints.edit_config(checkpoint, hidden_size=1 << 24, max_position_embeddings=1 << 17)
    with pytest.raises(
        ValueError, match=r"'model\.embeddings\.tok_embeddings\.weight' has shape \[159, 16\]"
    ):
        load_model(checkpoint)
