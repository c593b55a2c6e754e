"""A BERT checkpoint becomes a graph with transformers' logits, or an error that says what is wrong."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import checkpoints
import numpy as np
import pytest
from checkpoints import INPUTS, OUTPUTS, TINY, Tensors, edit_config, edit_tensors, run
from spanjet.model import load_model
from spanjet.model.graph.architectures import read_architecture
from spanjet.runtime.openvino import ov, shared_core

LOGITS = checkpoints.GOLDEN / "tiny-bert-logits.npz"
TOLERANCE = 1e-3
QUERY = "bert.encoder.layer.1.attention.self.query.weight"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A copy of the tiny checkpoint to damage."""
    return Path(shutil.copytree(TINY, tmp_path / "checkpoint"))


def golden(activation: str) -> list[tuple[checkpoints.Batch, checkpoints.Logits]]:
    return list(checkpoints.golden(LOGITS, f"{activation}/"))


@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "relu"])
def test_logits_equal_transformers(checkpoint: Path, activation: str) -> None:
    edit_config(checkpoint, hidden_act=activation)
    model = load_model(checkpoint).model
    assert checkpoints.largest_difference(model, LOGITS, f"{activation}/") < TOLERANCE


def test_activations_differ() -> None:
    """The golden logits can tell the activations apart."""
    logits = [golden(name)[1][1]["start_logits"] for name in ("gelu", "gelu_new", "relu")]
    assert np.abs(logits[0] - logits[2]).max() > TOLERANCE
    assert np.abs(logits[0] - logits[1]).max() > 1e-4


def test_inputs_and_outputs() -> None:
    loaded = load_model(str(TINY))
    assert [port.any_name for port in loaded.model.inputs] == list(INPUTS)
    assert [port.any_name for port in loaded.model.outputs] == list(OUTPUTS)
    assert {str(port.partial_shape) for port in loaded.model.inputs} == {"[?,?]"}
    assert {port.element_type for port in loaded.model.inputs} == {ov.Type.i32}
    assert (loaded.max_length, loaded.vocab_size) == (384, 159)
    assert (loaded.card, loaded.path, loaded.tokenizer) == (None, TINY, TINY / "tokenizer.json")


def test_every_operation_has_its_name() -> None:
    operations = load_model(TINY).model.get_ordered_ops()
    names = [node.get_friendly_name() for node in operations if node.get_type_name() != "Constant"]
    assert [name for name in names if name.rpartition("_")[2].isdigit()] == []
    expected = {
        f"encoder.layer.1.{part}" for part in ("attention.query", "attention.norm", "ffn.up", "ffn.norm")
    }
    assert expected <= set(names)
    weights = {node.get_friendly_name() for node in operations if node.get_type_name() == "Constant"}
    assert {"embeddings.word.weight", "encoder.layer.0.ffn.down.bias", "qa_outputs.weight"} <= weights


def test_padding_changes_nothing() -> None:
    model = load_model(TINY).model
    inputs = {name: array[:2] for name, array in golden("gelu")[0][0].items()}
    padded = {name: np.pad(array, ((0, 0), (0, 44))) for name, array in inputs.items()}
    padded["input_ids"][:, 20:] = 77
    for name, logits in run(model, padded).items():
        assert np.abs(logits[:, :20] - run(model, inputs)[name]).max() < 1e-5


def test_only_padding_gives_finite_logits() -> None:
    inputs = {name: np.zeros((2, 16), np.int32) for name in INPUTS}
    assert all(np.isfinite(logits).all() for logits in run(load_model(TINY).model, inputs).values())


def test_too_long_a_sequence_fails() -> None:
    compiled = shared_core().compile_model(load_model(TINY).model, "CPU")
    with pytest.raises(RuntimeError, match="embeddings"):
        compiled({name: np.zeros((1, 385), np.int32) for name in INPUTS})
    assert compiled({name: np.zeros((1, 384), np.int32) for name in INPUTS})["start_logits"].shape == (1, 384)


def test_prefix_is_optional_and_other_heads_are_ignored(checkpoint: Path) -> None:
    def edit(tensors: Tensors) -> Tensors:
        bare = {name.removeprefix("bert."): tensor for name, tensor in tensors.items()}
        others = ("pooler.dense.weight", "cls.predictions.bias", "embeddings.position_ids")
        return {**bare, **{name: np.zeros(3, np.int64) for name in others}}

    edit_tensors(checkpoint, edit)
    inputs, expected = golden("gelu")[1]
    tokens = inputs["attention_mask"] == 1
    logits = run(load_model(checkpoint).model, inputs)
    assert np.abs(logits["end_logits"] - expected["end_logits"])[tokens].max() < TOLERANCE


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("model_type", "gpt2", '"model_type" is "gpt2", expected "albert" or'),
        ("model_type", ["bert"], '"model_type" is ["bert"], expected "albert" or'),
        ("hidden_act", "prelu", '"hidden_act" is "prelu", expected "gelu" or'),
        ("position_embedding_type", "rotary", 'is "rotary", expected "absolute" or "relative_key" or'),
        ("is_decoder", True, '"is_decoder" is true, expected false'),
        ("num_attention_heads", 5, "is 5, expected a divisor of"),
        ("hidden_size", "32", 'is "32", expected a whole number'),
        ("hidden_size", True, "is true, expected a whole number"),
        ("vocab_size", 0, "is 0, expected a whole number of at least 1"),
        ("type_vocab_size", 0, "is 0, expected a whole number of at least 1"),
        ("num_hidden_layers", 10**9, "is 1000000000, expected a whole number of at least 1 and at most"),
        (
            "max_position_embeddings",
            10**9,
            "is 1000000000, expected a whole number of at least 1 and at most",
        ),
        ("pad_token_id", 159, "is 159, expected a whole number from 0 to 158"),
        ("pad_token_id", -1, "is -1, expected a whole number from 0 to 158"),
        ("pad_token_id", "0", 'is "0", expected a whole number from 0 to 158'),
        ("layer_norm_eps", "no", "expected a number between 0 and 1"),
        ("layer_norm_eps", 0, "expected a number between 0 and 1"),
    ],
)
def test_config_errors(checkpoint: Path, key: str, value: Any, expected: str) -> None:
    edit_config(checkpoint, **{key: value})
    with pytest.raises(ValueError, match=r"config\.json") as caught:
        load_model(checkpoint)
    assert key in str(caught.value)
    assert expected in str(caught.value)


def test_config_missing_key_and_defaults(checkpoint: Path) -> None:
    path = checkpoint / "config.json"
    values = json.loads(path.read_text())
    optional = ("layer_norm_eps", "hidden_act", "type_vocab_size", "position_embedding_type", "pad_token_id")
    path.write_text(json.dumps({key: value for key, value in values.items() if key not in optional}))
    assert read_architecture(path) == read_architecture(TINY / "config.json")
    path.write_text(json.dumps({key: value for key, value in values.items() if key != "hidden_size"}))
    with pytest.raises(ValueError, match='"hidden_size" is missing, expected a whole number'):
        read_architecture(path)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", r"not a JSON file: Expecting value: line 1 column 1 \(char 0\)"),
        (b"{", "not a JSON file: Expecting property name"),
        (b"[1]", "a JSON list, expected an object"),
        (b"\xff\xfe", "not a JSON file: "),
        (b'{"a": "\xe9"}', "not a JSON file: not UTF-8 at byte 7"),
        (b'{"a": NaN', "not a JSON file: Expecting ',' delimiter"),
        (b'{"a":' + b"[" * 10**5, "not a JSON file: it is nested too deeply"),
        (b'{"a":' + b"9" * 5000 + b"}", "not a JSON file: a number has too many digits"),
    ],
)
def test_config_that_is_no_json_object(checkpoint: Path, content: bytes, expected: str) -> None:
    (checkpoint / "config.json").write_bytes(content)
    with pytest.raises(ValueError, match=rf"config\.json: {expected}"):
        load_model(checkpoint)


def drop(tensors: Tensors) -> None:
    del tensors[QUERY]


def reshape(tensors: Tensors) -> None:
    tensors[QUERY] = tensors[QUERY][:16]


def retype(tensors: Tensors) -> None:
    tensors[QUERY] = tensors[QUERY].astype(np.int32)


def spoil(tensors: Tensors) -> None:
    tensors[QUERY] = tensors[QUERY].copy()
    tensors[QUERY][3, 4] = np.nan


def add(tensors: Tensors) -> None:
    tensors["bert.encoder.layer.2.output.dense.bias"] = np.zeros(32, np.float32)


def repeat(tensors: Tensors) -> None:
    tensors[QUERY.removeprefix("bert.")] = tensors[QUERY]


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (drop, "encoder.layer.1.attention.self.query.weight' is missing, expected with shape [32, 32]"),
        (reshape, f"'{QUERY}' has shape [16, 32], expected [32, 32]"),
        (retype, f"'{QUERY}' has dtype I32, expected F32, F16, BF16"),
        (spoil, f"'{QUERY}' has 1 values that are not finite"),
        (add, "not expected: 'bert.encoder.layer.2.output.dense.bias'"),
        (repeat, f"occurs twice, also as '{QUERY}' in "),
    ],
)
def test_wrong_tensors(checkpoint: Path, edit: Callable[[Tensors], None], expected: str) -> None:
    edit_tensors(checkpoint, edit)
    with pytest.raises(ValueError, match=r"model\.safetensors") as caught:
        load_model(checkpoint)
    assert expected in str(caught.value)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_missing_file(checkpoint: Path, name: str) -> None:
    (checkpoint / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        load_model(checkpoint)


def test_tokenizer_files(checkpoint: Path) -> None:
    (checkpoint / "tokenizer.json").unlink()
    assert load_model(checkpoint).tokenizer == checkpoint / "vocab.txt"
    (checkpoint / "vocab.txt").unlink()
    (checkpoint / "vocab.json").write_text("{}")
    expected = r"no tokenizer, expected tokenizer\.json, vocab\.txt, vocab\.json and merges\.txt, spiece"
    with pytest.raises(FileNotFoundError, match=expected):
        load_model(checkpoint)
    (checkpoint / "merges.txt").write_text("")
    assert load_model(checkpoint).tokenizer == checkpoint / "vocab.json"
    (checkpoint / "vocab.json").unlink()
    (checkpoint / "tokenizer.model").write_bytes(b"")
    with pytest.raises(
        ValueError, match=r"tokenizer\.model: .* not read; expected a tokenizer\.json beside it"
    ):
        load_model(checkpoint)
    (checkpoint / "spiece.model").write_bytes(b"")
    assert load_model(checkpoint).tokenizer == checkpoint / "spiece.model"


def test_no_directory(checkpoint: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_model(checkpoint / "nowhere")
    with pytest.raises(NotADirectoryError, match=r"config\.json"):
        load_model(checkpoint / "config.json")
