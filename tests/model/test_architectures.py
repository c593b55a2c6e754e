"""Each architecture's graph has transformers' logits, its limits and its layout."""

import json
import re
from pathlib import Path
from typing import Any

import checkpoints
import numpy as np
import pytest
from checkpoints import ARCHITECTURES, INPUTS, OUTPUTS, edit_config, edit_tensors, run
from spanjet.model import InputLayout, load_model
from spanjet.model.graph.activation_functions import ACTIVATIONS, activate
from spanjet.model.graph.architectures import ARCHITECTURES as REGISTRY
from spanjet.model.graph.relative_bias import RelativeBiases, distance_buckets
from spanjet.model.graph.relative_position import bucketed
from spanjet.runtime.openvino import ops, ov, shared_core

NAMES = sorted(path.parent.name for path in ARCHITECTURES.glob("*/logits.npz"))
TOLERANCE = 1e-5
# What the tensors of question-answering heads begin with.
HEADS = ("qa_outputs.", "classifier.")
LAYOUTS = {
    "albert": InputLayout(),
    "albert-groups": InputLayout(token_types=False),
    "bert-one-type": InputLayout(token_types=False),
    "bert-relative-key": InputLayout(),
    "camembert": InputLayout(token_types=False, pad_token_id=1, first_position=2),
    "deberta-absolute": InputLayout(token_types=False),
    "deberta-one-way": InputLayout(),
    "deberta-v3": InputLayout(token_types=False),
    "distilbert": InputLayout(token_types=False),
    "electra": InputLayout(),
    "electra-relative": InputLayout(token_types=False),
    "ernie-tasks": InputLayout(),
    "mobilebert": InputLayout(),
    "modernbert": InputLayout(token_types=False, pad_token_id=3),
    "mpnet": InputLayout(token_types=False, pad_token_id=1, first_position=2),
    "mpnet-fixed": InputLayout(token_types=False, pad_token_id=3, first_position=2),
    "roberta": InputLayout(token_types=False, pad_token_id=1, first_position=2),
    "xlm-roberta": InputLayout(token_types=False, pad_token_id=3, first_position=4),
}


def random_inputs(model: ov.Model, rows: int, length: int) -> checkpoints.Batch:
    ids = np.random.default_rng(0).integers(5, 159, (rows, length), dtype=np.int32)
    inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": ids % 2}
    return {port.any_name: inputs[port.any_name] for port in model.inputs}


def test_all_architectures_are_covered() -> None:
    types = {load_model_type(name) for name in NAMES}
    assert types == set(REGISTRY)
    assert len(NAMES) == 27


def load_model_type(name: str) -> str:
    return str(json.loads((ARCHITECTURES / name / "config.json").read_text())["model_type"])


@pytest.mark.parametrize("name", NAMES)
def test_logits_equal_transformers(tmp_path: Path, name: str) -> None:
    loaded = load_model(checkpoints.copy(name, tmp_path / name))
    assert checkpoints.largest_difference(loaded.model, ARCHITECTURES / name / "logits.npz") < TOLERANCE
    assert loaded.architecture == load_model_type(name)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["F16", "BF16"])
def test_half_precision_weights(tmp_path: Path, name: str, dtype: str) -> None:
    """The logits of rounded weights: near, and exactly those of the same values in float32."""
    half, rounded = (checkpoints.copy(name, tmp_path / kind) for kind in ("half", "rounded"))
    checkpoints.retype(half, dtype)

    def narrow(values: Any) -> Any:
        if dtype == "F16":
            return values.astype(np.float16).astype(np.float32)
        return (values.view("<u4") & 0xFFFF0000).view("<f4")

    edit_tensors(rounded, lambda tensors: {key: narrow(tensor) for key, tensor in tensors.items()})
    model = load_model(half).model
    inputs = random_inputs(model, 2, 9)
    logits, expected = run(model, inputs), run(load_model(rounded).model, inputs)
    assert all(np.array_equal(logits[output], expected[output]) for output in OUTPUTS)
    difference = checkpoints.largest_difference(model, ARCHITECTURES / name / "logits.npz")
    assert TOLERANCE < difference < 0.2


@pytest.mark.parametrize("name", NAMES)
def test_several_files(tmp_path: Path, name: str) -> None:
    checkpoint = checkpoints.copy(name, tmp_path / name)
    whole = load_model(checkpoint)
    index = checkpoints.split(checkpoint)
    parts = load_model(checkpoint)
    inputs = random_inputs(whole.model, 3, 11)
    expected, logits = run(whole.model, inputs), run(parts.model, inputs)
    assert all(np.array_equal(logits[output], expected[output]) for output in OUTPUTS)
    assert [file.name for file in parts.weights] == [
        f"model-0000{part}-of-00003.safetensors" for part in (1, 2, 3)
    ]
    assert index.is_file()


@pytest.mark.parametrize("name", NAMES)
def test_inputs_and_outputs(tmp_path: Path, name: str) -> None:
    loaded = load_model(checkpoints.copy(name, tmp_path / name))
    layout = loaded.layout
    assert layout == LAYOUTS.get(name, layout)
    expected = list(INPUTS) if layout.token_types else list(INPUTS[:2])
    assert [port.any_name for port in loaded.model.inputs] == expected
    assert [port.any_name for port in loaded.model.outputs] == list(OUTPUTS)
    assert {port.element_type for port in loaded.model.inputs} == {ov.Type.i32}
    assert {str(port.partial_shape) for port in loaded.model.inputs} == {"[?,?]"}
    assert (loaded.vocab_size, loaded.max_length) == (159, 40 - layout.first_position)


@pytest.mark.parametrize("name", NAMES)
def test_every_operation_has_its_name(tmp_path: Path, name: str) -> None:
    operations = load_model(checkpoints.copy(name, tmp_path / name)).model.get_ordered_ops()
    names = [node.get_friendly_name() for node in operations if node.get_type_name() != "Constant"]
    assert [one for one in names if re.search(r"_\d+$", one)] == []
    assert len(names) == len(set(names))
    layer = "encoder.layer.1"
    parts = ("attention.query", "attention.key", "attention.value", "attention.output", "ffn.up", "ffn.down")
    assert {f"{layer}.{part}" for part in (*parts, "attention.norm", "ffn.norm")} <= set(names)
    weights = {node.get_friendly_name() for node in operations if node.get_type_name() == "Constant"}
    layer = "encoder.layer.0" if name == "albert" else layer  # whose layers share their constants
    kinds = ("weight",) if name == "modernbert" else ("weight", "bias")
    assert {f"{layer}.{part}.{kind}" for part in parts for kind in kinds} <= weights


@pytest.mark.parametrize("name", NAMES)
def test_padding_changes_nothing(tmp_path: Path, name: str) -> None:
    """Neither its length nor its ids do, even where its word is not zeros."""
    checkpoint = checkpoints.copy(name, tmp_path / name)

    def fill(tensors: checkpoints.Tensors) -> checkpoints.Tensors:
        words = next(
            key for key in tensors if key.endswith(("word_embeddings.weight", "tok_embeddings.weight"))
        )
        return {**tensors, words: np.where(tensors[words] == 0, np.float32(0.3), tensors[words])}

    edit_tensors(checkpoint, fill)
    model = load_model(checkpoint).model
    inputs = random_inputs(model, 2, 20)
    padded = {key: np.pad(array, ((0, 0), (0, 16))) for key, array in inputs.items()}
    padded["input_ids"][:, 20:] = 77
    logits = run(model, inputs)
    for key, values in run(model, padded).items():
        assert np.abs(values[:, :20] - logits[key]).max() < 1e-5


@pytest.mark.parametrize("name", NAMES)
def test_only_padding_gives_finite_logits(tmp_path: Path, name: str) -> None:
    model = load_model(checkpoints.copy(name, tmp_path / name)).model
    inputs = {port.any_name: np.zeros((2, 8), np.int32) for port in model.inputs}
    assert all(np.isfinite(logits).all() for logits in run(model, inputs).values())


@pytest.mark.parametrize("name", NAMES)
def test_too_long_a_sequence_fails(tmp_path: Path, name: str) -> None:
    loaded = load_model(checkpoints.copy(name, tmp_path / name))
    compiled = shared_core().compile_model(loaded.model, "CPU")
    longest = random_inputs(loaded.model, 1, loaded.max_length)
    assert compiled(longest)["start_logits"].shape == (1, loaded.max_length)
    for more in (1, 2, 30, 200):
        with pytest.raises(RuntimeError):
            compiled(random_inputs(loaded.model, 1, loaded.max_length + more))


@pytest.mark.parametrize("name", NAMES)
def test_prefix_is_optional(tmp_path: Path, name: str) -> None:
    checkpoint = checkpoints.copy(name, tmp_path / name)
    prefix = REGISTRY[load_model_type(name)].prefix
    edit_tensors(checkpoint, lambda tensors: {key.removeprefix(prefix): one for key, one in tensors.items()})
    model = load_model(checkpoint).model
    assert checkpoints.largest_difference(model, ARCHITECTURES / name / "logits.npz") < TOLERANCE


def test_old_names_of_layer_normalisation(tmp_path: Path) -> None:
    checkpoint = checkpoints.copy("electra", tmp_path / "electra")
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}

    def rename(tensors: checkpoints.Tensors) -> checkpoints.Tensors:
        found = {}
        for key, tensor in tensors.items():
            layer, _, last = key.rpartition(".LayerNorm.")
            found[f"{layer}.{old[f'LayerNorm.{last}']}" if layer else key] = tensor
        assert sum(key.endswith(".gamma") for key in found) == 5
        return found

    edit_tensors(checkpoint, rename)
    model = load_model(checkpoint).model
    assert checkpoints.largest_difference(model, ARCHITECTURES / "electra" / "logits.npz") < TOLERANCE


@pytest.mark.parametrize("name", NAMES)
def test_a_checkpoint_of_another_task(tmp_path: Path, name: str) -> None:
    checkpoint = checkpoints.copy(name, tmp_path / name)
    edit_tensors(
        checkpoint,
        lambda tensors: {key: one for key, one in tensors.items() if not key.startswith(HEADS)},
    )
    head = "classifier" if name.startswith("modernbert") else "qa_outputs"
    expected = rf"tensor '{head}\.weight' is missing, expected with shape .*no question-answering head"
    with pytest.raises(ValueError, match=rf"model\.safetensors: {expected}"):
        load_model(checkpoint)


def test_an_encoder_without_a_head(tmp_path: Path) -> None:
    """ModernBERT's head has a layer of its own before the classifier."""
    checkpoint = checkpoints.copy("modernbert", tmp_path / "modernbert")
    edit_tensors(
        checkpoint,
        lambda tensors: {name: one for name, one in tensors.items() if name.startswith("model.")},
    )
    with pytest.raises(ValueError, match=r"'head\.dense\.weight' is missing.*no question-answering head"):
        load_model(checkpoint)


@pytest.mark.parametrize(
    ("name", "key", "value", "expected"),
    [
        ("distilbert", "n_heads", 5, '"n_heads" is 5, expected a divisor of'),
        ("distilbert", "dim", None, '"dim" is null, expected a whole number'),
        ("distilbert", "activation", "prelu", '"activation" is "prelu", expected "gelu" or'),
        ("electra", "embedding_size", 0, '"embedding_size" is 0, expected a whole number'),
        ("roberta", "position_embedding_type", "relative_key", 'is "relative_key", expected "absolute"'),
        ("albert", "position_embedding_type", "relative_key", 'is "relative_key", expected "absolute"'),
        (
            "electra",
            "position_embedding_type",
            "rotary",
            'is "rotary", expected "absolute" or "relative_key" or',
        ),
        (
            "bert-one-type",
            "type_vocab_size",
            0,
            '"type_vocab_size" is 0, expected a whole number of at least 1',
        ),
        ("albert", "num_hidden_groups", 3, "is 3, expected a whole number of at least 1 and at most 2"),
        ("albert", "inner_group_num", 0, '"inner_group_num" is 0, expected a whole number'),
        ("albert", "inner_group_num", 513, "is 513, expected a whole number of at least 1 and at most 512"),
        (
            "albert",
            "num_hidden_layers",
            10**7,
            "is 10000000, expected a whole number of at least 1 and at most",
        ),
        ("albert", "embedding_size", "x", '"embedding_size" is "x", expected a whole number'),
        ("ernie", "use_task_id", 1, '"use_task_id" is 1, expected true or false'),
        ("ernie-tasks", "task_type_vocab_size", 0, '"task_type_vocab_size" is 0, expected a whole number'),
        ("roberta", "max_position_embeddings", 2, 'expected at least "pad_token_id" + 2 (3)'),
        ("roberta", "pad_token_id", 1000, "is 1000, expected a whole number from 0 to 158"),
        ("mobilebert", "num_attention_heads", 8, 'expected a divisor of "intra_bottleneck_size" (12)'),
        ("mobilebert", "key_query_shared_bottleneck", False, "is false, expected true"),
        ("mobilebert", "trigram_input", 1, "is 1, expected true or false"),
        ("mobilebert", "normalization_type", "rms", 'is "rms", expected "no_norm" or "layer_norm"'),
        ("deberta-v3", "pos_att_type", "c2p|p2p", 'is "c2p|p2p", expected names out of c2p, p2c'),
        ("deberta-v3", "pos_att_type", [{}], "expected names out of c2p, p2c"),
        ("deberta-v3", "norm_rel_ebd", "batch", 'is "batch", expected names out of layer_norm, none'),
        ("deberta-v3", "position_buckets", 77, "is 77, expected from 2 to 76, or -1"),
        ("deberta-v3", "position_buckets", 1, "is 1, expected from 2 to 76, or -1"),
        ("deberta-v3", "max_relative_positions", 10**12, "expected a whole number"),
        ("deberta-v3", "attention_head_size", 4, "is 4, expected a whole number of at least 8 and at most 8"),
        ("mpnet", "max_position_embeddings", 2, "is 2, expected a whole number of at least 3"),
        ("mpnet", "relative_attention_num_buckets", 16, "is 16, expected a whole number of at least 32"),
        ("mpnet", "num_attention_heads", 3, 'expected a divisor of "hidden_size" (16)'),
        ("deberta-v2", "conv_kernel_size", 2, "is 2, expected an odd number, or 0"),
        ("modernbert", "num_attention_heads", 16, 'is 16, expected half of a divisor of "hidden_size" (16)'),
        ("modernbert", "hidden_activation", "prelu", '"hidden_activation" is "prelu", expected "gelu" or'),
        ("modernbert", "norm_eps", 0, '"norm_eps" is 0, expected a number between 0 and 1'),
        ("modernbert", "norm_bias", 1, '"norm_bias" is 1, expected true or false'),
        ("modernbert", "local_rope_theta", None, "is null, expected a number from 1 to 1e30"),
        ("modernbert", "global_rope_theta", True, "is true, expected a number from 1 to 1e30"),
        ("modernbert", "global_attn_every_n_layers", 0, "is 0, expected a whole number of at least 1"),
        ("modernbert", "local_attention", -1, "is -1, expected a whole number of at least 0"),
        (
            "modernbert",
            "local_attention",
            10**7,
            "is 10000000, expected a whole number of at least 0 and at most",
        ),
        ("modernbert", "layer_types", ["full_attention"], "expected a list of 5 names"),
        ("modernbert", "layer_types", ["full", *["full_attention"] * 4], 'names, "full_attention" or "slid'),
        ("modernbert", "rope_scaling", {"type": "linear"}, "expected null: scaled rotary positions"),
        ("modernbert", "rope_parameters", [], 'is [], expected "full_attention" and "sliding_attention"'),
        ("modernbert", "rope_parameters", {"full_attention": {"rope_type": "yarn"}}, '"rope_type" "default"'),
        (
            "modernbert",
            "rope_parameters",
            {"sliding_attention": {"rope_theta": 0}},
            "a number from 1 to 1e30",
        ),
        (
            "modernbert",
            "architectures",
            ["ModernBertForSequenceClassification"],
            "no question-answering head",
        ),
        ("modernbert", "architectures", "ModernBertModel", "expected a list of names"),
        ("deberta-v2", "conv_groups", 2, "is 2, expected a whole number of at least 1 and at most 1"),
    ],
)
def test_config_errors(tmp_path: Path, name: str, key: str, value: Any, expected: str) -> None:
    checkpoint = checkpoints.copy(name, tmp_path / name)
    edit_config(checkpoint, **{key: value})
    with pytest.raises(ValueError, match=r"config\.json") as caught:
        load_model(checkpoint)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("albert", {"embedding_size": 16}),
        ("albert-groups", {"num_hidden_groups": 1}),
        ("albert-groups", {"inner_group_num": 1}),
        ("albert", {"model_type": "bert"}),
        ("bert-relative-key", {"position_embedding_type": "absolute"}),
        ("bert-relative-key", {"max_position_embeddings": 41}),
        ("bert-one-type", {"type_vocab_size": 2}),
        ("bert-one-type", {"position_embedding_type": "relative_key"}),
        ("ernie", {"use_task_id": True}),
        ("ernie-tasks", {"use_task_id": False}),
        ("ernie-tasks", {"task_type_vocab_size": 2}),
        ("electra", {"embedding_size": 16}),
        ("electra-wide", {"hidden_size": 32}),
        ("distilbert", {"n_layers": 1}),
        ("distilbert", {"n_layers": 3}),
        ("roberta", {"type_vocab_size": 2}),
        ("mobilebert", {"num_feedforward_networks": 2}),
        ("mobilebert", {"use_bottleneck": False}),
        ("mobilebert-plain", {"trigram_input": True}),
        ("deberta-v3", {"position_buckets": 16}),
        ("deberta-v3", {"share_att_key": False}),
        ("deberta-v3", {"conv_kernel_size": 3}),
        ("deberta-v3", {"position_biased_input": True}),
        ("deberta-v3", {"relative_attention": False}),
        ("deberta-separate", {"share_att_key": True}),
        ("deberta-v2", {"conv_kernel_size": 0}),
        ("mpnet", {"relative_attention_num_buckets": 33}),
        ("mpnet", {"num_attention_heads": 4}),
        ("modernbert", {"num_hidden_layers": 4}),
        ("modernbert", {"intermediate_size": 48}),
        ("modernbert", {"attention_bias": True}),
        ("modernbert", {"mlp_bias": True}),
        ("modernbert", {"norm_bias": True}),
        ("modernbert", {"classifier_bias": True}),
        ("modernbert-biases", {"attention_bias": False}),
        ("modernbert-biases", {"mlp_bias": False}),
        ("modernbert-biases", {"norm_bias": False}),
        ("modernbert-biases", {"classifier_bias": False}),
        ("modernbert", {"model_type": "bert", "type_vocab_size": 2}),
        ("mpnet", {"model_type": "roberta"}),
        ("roberta", {"model_type": "mpnet"}),
        ("roberta", {"model_type": "bert"}),
        ("electra", {"model_type": "mobilebert"}),
        ("distilbert", {"model_type": "deberta-v2", "hidden_size": 16}),
    ],
)
def test_config_that_disagrees_with_the_weights(tmp_path: Path, name: str, changes: dict[str, Any]) -> None:
    checkpoint = checkpoints.copy(name, tmp_path / name)
    edit_config(checkpoint, **changes)
    with pytest.raises(ValueError, match=r"(model\.safetensors: .*tensor|config\.json: )"):
        load_model(checkpoint)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_activations(name: str) -> None:
    with np.load(ARCHITECTURES / "activations.npz") as arrays:
        points, expected = arrays["points"], arrays[name]
    parameter = ops.parameter([-1], np.float32)
    node = activate(parameter, name, name="active")
    assert node.get_friendly_name() == "active"
    compiled = shared_core().compile_model(
        ov.Model([node], [parameter], "active"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    assert np.abs(compiled(points)[0] - expected).max() < 1e-5


def test_all_activations_are_recorded() -> None:
    with np.load(ARCHITECTURES / "activations.npz") as arrays:
        assert set(arrays) - {"points"} == set(ACTIVATIONS)


def test_buckets_equal_transformers() -> None:
    with np.load(ARCHITECTURES / "buckets.npz") as arrays:
        distances = arrays["distances"]
        settings = [key for key in arrays if key != "distances"]
        assert len(settings) == 5
        for setting in settings:
            buckets, most = map(int, setting.split("/"))
            np.testing.assert_array_equal(bucketed(distances, buckets=buckets, most=most), arrays[setting])


def test_bias_buckets_equal_transformers() -> None:
    with np.load(ARCHITECTURES / "bias-buckets.npz") as arrays:
        assert set(arrays) == {"distances", "32/128"}
        found = distance_buckets(arrays["distances"], buckets=32, farthest=128)
        np.testing.assert_array_equal(found, arrays["32/128"])
        assert set(found.tolist()) == set(range(32)) - {16}  # no key behind the query is at distance 0


@pytest.mark.parametrize("length", [1, 2, 7, 16, 31])
def test_relative_biases_are_values_by_distance(length: int) -> None:
    longest, generator = 31, np.random.default_rng(0)
    rows = generator.integers(0, 5, 2 * longest - 1)
    tables = generator.standard_normal((3, 5, 4)).astype(np.float32)
    tables[2] = tables[0]
    mask = ops.parameter([-1, -1], np.int32, name="mask")
    biases = RelativeBiases(mask, longest=longest, rows=rows)
    first, other, again = (biases.build(table, name=f"bias.{place}") for place, table in enumerate(tables))
    assert again is first
    compiled = shared_core().compile_model(
        ov.Model([first, other], [mask], "biases"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    found = compiled(np.ones((2, length), np.int32))
    distances = np.arange(length)[None, :] - np.arange(length)[:, None]
    for place in range(2):
        expected = tables[place][rows[distances + longest - 1]].transpose(2, 0, 1)[None]
        np.testing.assert_array_equal(found[place], expected)
