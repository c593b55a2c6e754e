"""Models that others exported, as ONNX or OpenVINO IR: read by their ports' names, or refused."""

import re
import shutil
from pathlib import Path
from typing import Any

import checkpoints
import numpy as np
import pytest
import toy_model
from checkpoints import ARCHITECTURES, INPUTS, OUTPUTS, TINY, run
from spanjet import Reader, RuntimeConfig
from spanjet.model import InputLayout, load_model
from spanjet.runtime.engine import Runtime
from spanjet.runtime.openvino import ov

ONNX = "electra-onnx"


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """An ONNX model with int64 inputs."""
    return checkpoints.copy(ONNX, tmp_path / "exported")


def save(directory: Path, name: str = "openvino_model.xml", **options: Any) -> Path:
    """The toy model as IR beside the configuration of the tiny checkpoint."""
    directory.mkdir()
    ov.save_model(toy_model.build(**options), directory / name, compress_to_fp16=False)
    for file in ("config.json", "vocab.txt"):
        shutil.copyfile(TINY / file, directory / file)
    return directory


def test_onnx(exported: Path) -> None:
    loaded = load_model(exported)
    assert [port.any_name for port in loaded.model.inputs] == list(INPUTS)
    assert [port.any_name for port in loaded.model.outputs] == list(OUTPUTS)
    assert {port.element_type for port in loaded.model.inputs} == {ov.Type.i32}
    assert (loaded.max_length, loaded.vocab_size, loaded.architecture) == (40, 159, "electra")
    assert (loaded.card, loaded.layout) == (None, InputLayout())
    assert loaded.weights == (exported / "model.onnx",)
    assert checkpoints.largest_difference(loaded.model, ARCHITECTURES / "electra" / "logits.npz") < 1e-5


def test_onnx_of_any_name(exported: Path) -> None:
    (exported / "model.onnx").rename(exported / "electra.onnx")
    assert load_model(exported).weights == (exported / "electra.onnx",)
    shutil.copyfile(exported / "electra.onnx", exported / "other.onnx")
    with pytest.raises(ValueError, match=r"several models \(electra\.onnx, other\.onnx\), expected one, or"):
        load_model(exported)
    shutil.copyfile(exported / "electra.onnx", exported / "model.onnx")
    assert load_model(exported).weights == (exported / "model.onnx",)


def test_weights_beside_an_onnx_count(exported: Path) -> None:
    alone = load_model(exported)
    (exported / "model.onnx_data").write_bytes(b"weights")
    (exported / "other.onnx_data").write_bytes(b"another's")
    both = load_model(exported)
    assert both.weights == (exported / "model.onnx", exported / "model.onnx_data")
    assert both.digest != alone.digest
    assert both.weight_bytes == alone.weight_bytes + len(b"weights")


def test_a_checkpoint_comes_before_its_onnx(exported: Path) -> None:
    shutil.copyfile(ARCHITECTURES / "electra" / "model.safetensors", exported / "model.safetensors")
    assert load_model(exported).weights == (exported / "model.safetensors",)


@pytest.mark.parametrize("part", [0, 10, 1000, 30_000])
def test_truncated_onnx(exported: Path, part: int) -> None:
    path = exported / "model.onnx"
    path.write_bytes(path.read_bytes()[:part])
    with pytest.raises(ValueError, match=r"model\.onnx: (not an ONNX model|the model has)"):
        load_model(exported)


def test_mislabelled_onnx(exported: Path) -> None:
    shutil.copyfile(ARCHITECTURES / "electra" / "model.safetensors", exported / "model.onnx")
    with pytest.raises(ValueError, match=r"model\.onnx: not an ONNX model"):
        load_model(exported)


@pytest.mark.parametrize("name", ["openvino_model.xml", "qa.xml"])
def test_ir(tmp_path: Path, name: str) -> None:
    directory = save(tmp_path / "ir", name)
    loaded = load_model(directory)
    assert loaded.weights == ((directory / name).with_suffix(".bin"),)
    assert (loaded.max_length, loaded.vocab_size) == (384, 159)
    Runtime(loaded.model)


def test_several_irs(tmp_path: Path) -> None:
    directory = save(tmp_path / "ir", "a.xml")
    shutil.copyfile(directory / "a.xml", directory / "b.xml")
    with pytest.raises(
        ValueError, match=r"several models \(a\.xml, b\.xml\), expected one, or openvino_model"
    ):
        load_model(directory)


def test_ir_of_another_length(tmp_path: Path) -> None:
    directory = save(tmp_path / "ir", "qa.xml")
    (directory / "qa.bin").write_bytes(b"")
    with pytest.raises(ValueError, match=r"qa\.bin: 0 bytes, expected \d+: truncated, or of another qa\.xml"):
        load_model(directory)


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        (("input_ids", "input_mask", "segment_ids"), ("output_start_logits", "output_end_logits")),
        (("input_ids:0", "input_mask:0", "segment_ids:0"), ("start_logits:0", "end_logits:0")),
    ],
)
@pytest.mark.parametrize("element_type", ["i32", "i64"])
def test_other_names_and_types(
    tmp_path: Path, inputs: tuple[str, ...], outputs: tuple[str, ...], element_type: str
) -> None:
    names: dict[str, Any] = {"inputs": inputs, "outputs": outputs}
    loaded = load_model(save(tmp_path / "ir", element_type=element_type, output_type="f32", **names))
    assert [port.any_name for port in loaded.model.inputs] == list(INPUTS)
    assert [port.any_name for port in loaded.model.outputs] == list(OUTPUTS)
    batch = {name: np.full((2, 5), 9, np.int32) for name in INPUTS}
    expected = run(toy_model.build(), batch)
    for name, logits in run(loaded.model, batch).items():
        np.testing.assert_array_equal(logits, expected[name])


def test_without_token_types(tmp_path: Path) -> None:
    loaded = load_model(save(tmp_path / "ir", inputs=INPUTS[:2]))
    assert loaded.layout == InputLayout(token_types=False)
    reader = Reader(loaded, runtime_config=RuntimeConfig(cache_dir=None))
    assert reader.ask("who", "paris was the first city").text


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"inputs": ("input_ids", "attention_mask", "decoder_input_ids")},
            r"inputs \['attention_mask', 'decoder_input_ids', 'input_ids'\]; "
            r"expected \['input_ids', 'attention_mask', 'token_type_ids'\]",
        ),
        (
            {"inputs": ("ids", "attention_mask")},
            r"inputs \['attention_mask', 'ids'\]; expected \['input_ids'",
        ),
        (
            {"inputs": ("input_ids", "attention_mask", "input_mask")},
            r"inputs \['attention_mask', 'input_ids', 'input_mask'\]; expected",
        ),
        (
            {"outputs": ("logits", "pooled")},
            r"outputs \['logits', 'pooled'\]; expected \['start_logits', 'end_logits'\]",
        ),
    ],
)
def test_other_ports(tmp_path: Path, options: dict[str, Any], expected: str) -> None:
    directory = save(tmp_path / "ir", **options)
    with pytest.raises(ValueError, match=rf"openvino_model\.xml: the model has the {expected}"):
        load_model(directory)


def test_fixed_shapes(tmp_path: Path) -> None:
    directory = save(tmp_path / "ir", shape=(1, 384))
    with pytest.raises(ValueError, match=r"openvino_model\.xml: the model's input_ids has the fixed shape"):
        load_model(directory)


def test_missing_tokenizer(exported: Path) -> None:
    (exported / "vocab.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"no tokenizer, expected tokenizer\.json"):
        load_model(exported)


@pytest.mark.parametrize("name", ["openvino_model.xml", "openvino_model.bin", "model.onnx", "card.json"])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 7\n", "a Git LFS pointer"),
        (b"<!DOCTYPE html>", "a web page"),
        (None, "a directory, expected a file"),
    ],
)
def test_something_else_in_the_place_of_a_file(
    tmp_path: Path, exported: Path, name: str, content: bytes | None, expected: str
) -> None:
    directory = exported if name == "model.onnx" else tmp_path / "ir"
    if directory != exported:
        save(directory)
    if content is None:
        (directory / name).unlink(missing_ok=True)
        (directory / name).mkdir()
    else:
        (directory / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{re.escape(name)}: {expected}"):
        load_model(directory)
