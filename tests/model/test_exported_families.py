"""Exported models of any family: only inputs, outputs and the tokenizer count."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trained_tokenizers
from checkpoints import ARCHITECTURES, run
from spanjet import Reader, RuntimeConfig, WindowConfig
from spanjet.model import InputLayout, load_model
from spanjet.runtime.openvino import ops, ov

WORDS, LENGTH = 1900, 64
FAMILIES = ("bart", "big_bird", "t5", "xlnet", None)


def export(
    directory: Path,
    config: dict[str, Any] | None,
    *,
    kind: str = "unigram",
    others: tuple[str, ...] = (),
    hidden_states: bool = False,
    positions: int | None = None,
) -> Path:
    """A model whose logits are rows of a table, plus each other input, weighted by its place."""
    directory.mkdir()
    names = ("input_ids", "attention_mask", *others)
    inputs = [ops.parameter([-1, -1], np.int64, name=name) for name in names]
    for name, node in zip(names, inputs, strict=True):
        node.output(0).set_names({name})
    generator = np.random.default_rng(0)
    results = []
    for name in ("start_logits", "end_logits"):
        table = ops.constant(generator.normal(size=(WORDS, 1)).astype(np.float32))
        logits = ops.squeeze(ops.gather(table, inputs[0], np.int64(0)), np.array([-1], np.int64))
        for place, node in enumerate(inputs[1:], 1):
            logits = ops.add(logits, ops.multiply(ops.convert(node, "f32"), np.float32(10.0**-place)))
        if positions:
            counted = ops.constant(np.arange(positions)[None])
            length = ops.gather(ops.shape_of(inputs[0]), np.array([1], np.int64), np.int64(0))
            zero, one = (np.array([value], np.int64) for value in (0, 1))
            logits = ops.add(logits, ops.convert(ops.slice(counted, zero, length, one, one), "f32"))
        logits.output(0).set_names({name})
        results.append(ops.result(logits))
    if hidden_states:
        states = ops.gather(np.ones((WORDS, 4), np.float32), inputs[0], np.int64(0))
        for name in ("hidden_states", "cls_logits"):
            states = ops.relu(states)
            states.output(0).set_names({name})
            results.append(ops.result(states))
    ov.save_model(ov.Model(results, inputs, "exported"), directory / "openvino_model.xml")
    trained_tokenizers.write(directory, kind)
    if config is not None:
        (directory / "config.json").write_text(json.dumps(config))
    return directory


def configuration(family: str | None, **values: Any) -> dict[str, Any] | None:
    if family is None:
        return None
    return {"model_type": family, "max_position_embeddings": LENGTH, **values}


def edit_tokenizer(directory: Path, **values: Any) -> None:
    path = directory / "tokenizer.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", ["unigram", "unigram-precompiled"])
def test_any_family_is_read_and_answers(tmp_path: Path, family: str | None, kind: str) -> None:
    directory = export(tmp_path / "exported", configuration(family), kind=kind, positions=LENGTH)
    loaded = load_model(directory)
    assert loaded.architecture == (family or "unknown")
    assert (loaded.max_length, loaded.vocab_size) == (LENGTH, WORDS)
    assert loaded.layout == InputLayout(token_types=False)
    windows = WindowConfig(max_length=48, doc_stride=16, max_question_length=16)
    reader = Reader(loaded, window_config=windows, runtime_config=RuntimeConfig(cache_dir=None))
    text = "The bridge was built by an engineer in 1881. " * 5
    answer = reader.ask("Who built the bridge?", text)
    assert answer.text
    assert text[answer.start : answer.end] == answer.text


@pytest.mark.parametrize(("first", "family"), [(0, "big_bird"), (1 + 1, "longformer"), (0, None)])
def test_positions_are_counted(tmp_path: Path, first: int, family: str | None) -> None:
    """From 0, or from behind the padding id in families like RoBERTa."""
    config = configuration(family, pad_token_id=1)
    directory = export(tmp_path / "exported", config, others=("position_ids",), positions=LENGTH)
    plain = load_model(export(tmp_path / "plain", config, positions=LENGTH)).model
    loaded = load_model(directory)
    assert loaded.max_length == LENGTH - first
    inputs = {"input_ids": np.full((3, 7), 9, np.int32), "attention_mask": np.ones((3, 7), np.int32)}
    expected = run(plain, inputs)
    for name, logits in run(loaded.model, inputs).items():
        added = np.broadcast_to(0.01 * (first + np.arange(7)), (3, 7))
        np.testing.assert_allclose(logits - expected[name], added, atol=1e-5)


def test_tasks_are_zero_and_types_are_kept(tmp_path: Path) -> None:
    others = ("token_type_ids", "task_type_ids")
    config = configuration("ernie_m", vocab_size=WORDS)
    loaded = load_model(export(tmp_path / "exported", config, others=others))
    assert [port.any_name for port in loaded.model.inputs] == [
        "input_ids",
        "attention_mask",
        "token_type_ids",
    ]
    assert loaded.layout.token_types
    inputs = {name: np.ones((1, 5), np.int32) for name in ("input_ids", "attention_mask", "token_type_ids")}
    without = {**inputs, "token_type_ids": np.zeros((1, 5), np.int32)}
    logits, others_logits = run(loaded.model, inputs), run(loaded.model, without)
    for name in logits:
        np.testing.assert_allclose(logits[name] - others_logits[name], 0.01, atol=1e-6)


def test_other_outputs_are_dropped(tmp_path: Path) -> None:
    loaded = load_model(export(tmp_path / "exported", configuration("bart"), hidden_states=True))
    assert [port.any_name for port in loaded.model.outputs] == ["start_logits", "end_logits"]


@pytest.mark.parametrize("name", ["decoder_input_ids", "head_mask", "pixel_values"])
def test_unknown_inputs_are_refused_by_name(tmp_path: Path, name: str) -> None:
    directory = export(tmp_path / "exported", configuration("bart"), others=(name,))
    with pytest.raises(
        ValueError, match=rf"openvino_model\.xml: the model has the inputs .*'{name}'.*expected"
    ):
        load_model(directory)


@pytest.mark.parametrize("family", ["bart", None])
def test_pairs_must_be_told(tmp_path: Path, family: str | None) -> None:
    directory = export(tmp_path / "exported", configuration(family), positions=LENGTH)
    edit_tokenizer(directory, post_processor=None)
    name = family or "unknown"
    with pytest.raises(
        ValueError, match=rf'tokenizer\.json: no "post_processor", expected .* family \'{name}\''
    ):
        load_model(directory)
    (directory / "tokenizer.json").unlink()
    (directory / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n")
    with pytest.raises(
        ValueError, match=r"vocab\.txt: the tokenizer's only file, expected a tokenizer\.json"
    ):
        load_model(directory)


def test_lengths(tmp_path: Path) -> None:
    """The least of what the files and the graph state."""
    directory = export(tmp_path / "exported", {"model_type": "t5"})
    with pytest.raises(ValueError, match=r'no maximum length, expected "max_position_embeddings" or'):
        load_model(directory)
    tokenizer = directory / "tokenizer_config.json"
    for stated, config, expected in (
        (50, {}, 50),
        (1e30, {"n_positions": 70}, 70),
        (60, {"n_positions": 70}, 60),
    ):
        tokenizer.write_text(json.dumps({"model_max_length": stated}))
        (directory / "config.json").write_text(json.dumps({"model_type": "t5", **config}))
        assert load_model(directory).max_length == expected
    counted = export(tmp_path / "counted", configuration("big_bird"), positions=32)
    assert load_model(counted).max_length == 32


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"model_type": ["bart"]}, '"model_type" is ["bart"], expected a string'),
        ({"max_position_embeddings": "64"}, '"max_position_embeddings" is "64", expected a whole number'),
        ({"vocab_size": -1}, '"vocab_size" is -1, expected a whole number'),
        ({"pad_token_id": "x"}, '"pad_token_id" is "x", expected a whole number'),
        (
            {"model_type": "longformer", "pad_token_id": 63},
            '"max_position_embeddings" is 64, expected more than 64',
        ),
    ],
)
def test_configurations_that_cannot_be_used(tmp_path: Path, values: dict[str, Any], expected: str) -> None:
    config = configuration("bart")
    assert config is not None
    with pytest.raises(ValueError, match=r"config\.json") as caught:
        load_model(export(tmp_path / "exported", {**config, **values}))
    assert expected in str(caught.value)


def test_a_written_directory_needs_its_configuration(tmp_path: Path) -> None:
    directory = export(tmp_path / "exported", None, positions=LENGTH)
    (directory / "card.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match=r"config\.json"):
        load_model(directory)


@pytest.mark.parametrize(("stated", "expected"), [(WORDS + 1, WORDS), (1000, 1000), (None, WORDS)])
def test_the_lesser_vocabulary_counts(tmp_path: Path, stated: int | None, expected: int) -> None:
    """A table may have more rows than words; a token that has no row is read from beyond the table."""
    directory = export(tmp_path / "exported", configuration("bart", vocab_size=stated))
    assert load_model(directory).vocab_size == expected


def test_the_table_of_a_known_family_counts_too(tmp_path: Path) -> None:
    config = json.loads((ARCHITECTURES / "electra" / "config.json").read_text())
    directory = export(tmp_path / "exported", {**config, "vocab_size": WORDS + 1})
    assert load_model(directory).vocab_size == WORDS


def test_a_limit_that_is_no_number(tmp_path: Path) -> None:
    directory = export(tmp_path / "exported", None)
    for value in (True, "64", None, float("nan"), float("inf"), 0):
        (directory / "tokenizer_config.json").write_text(json.dumps({"model_max_length": value}))
        with pytest.raises(ValueError, match=r'no maximum length, expected "max_position_embeddings"'):
            load_model(directory)


def test_a_model_without_token_ids(tmp_path: Path) -> None:
    directory = export(tmp_path / "exported", configuration("bart"))
    path = directory / "openvino_model.xml"
    path.write_text(path.read_text().replace("input_ids", "input_idx"))
    with pytest.raises(
        ValueError, match=r"the model has the inputs \['attention_mask', 'input_idx'\]; expected"
    ):
        load_model(directory)
