"""`spanjet info`: what a model is made of, and what this CPU makes of it."""

import json
from dataclasses import replace
from pathlib import Path

import checkpoints
import numpy as np
import pytest
from checkpoints import TINY
from safetensors.numpy import load_file
from spanjet.cli import app
from spanjet.compress.quantize import embeddings
from spanjet.compress.quantize.config import TablePrecision
from spanjet.compress.quantize.ptq import calibrate, finish
from spanjet.model import Model, load_model, write_model_directory
from spanjet.model.model_info import describe_execution, describe_model
from spanjet.runtime import cpu
from spanjet.runtime.openvino import ov
from typer.testing import CliRunner

COMPANIONS = {name: TINY / name for name in ("config.json", "vocab.txt")}


def quantized(path: Path, embedding_precision: TablePrecision) -> Model:
    """An INT8 model whose word table is quantized too."""
    generator = np.random.default_rng(0)
    inputs = [
        {
            "input_ids": generator.integers(5, 90, (1, 24), np.int32),
            "attention_mask": np.ones((1, 24), np.int32),
            "token_type_ids": generator.integers(0, 2, (1, 24), np.int32),
        }
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embeddings, "_LEAST_ROWS", 64)
        model = finish(calibrate(load_model(TINY).model, inputs), embeddings=embedding_precision)
    write_model_directory(path, model, card={"name": "tiny"}, companions=COMPANIONS)
    return load_model(path)


@pytest.fixture(scope="module")
def int8(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return quantized(tmp_path_factory.mktemp("int8") / "model", "int8")


def parameters(checkpoint: Path) -> int:
    """Of the encoder and its head, from the file itself."""
    tensors = load_file(checkpoint / checkpoints.WEIGHTS)
    return sum(tensor.size for name, tensor in tensors.items() if "pooler" not in name)


@pytest.mark.parametrize("name", ["tiny-bert", "electra-wide", "distilbert", "mobilebert"])
def test_all_parameters_are_counted(tmp_path: Path, name: str) -> None:
    path = TINY if name == "tiny-bert" else checkpoints.copy(name, tmp_path / name)
    about = describe_model(load_model(path))
    assert about["parameters"] == parameters(path)
    assert about["bytes"] == (path / checkpoints.WEIGHTS).stat().st_size
    assert all(set(part) <= {"float32"} for part in about["weights"].values())
    assert (about["quantizers"], "int8" in about["products"]) == (0, False)


def test_a_calibration_is_shown_and_its_lack_too(int8: Model) -> None:
    about = describe_model(int8)
    assert about["calibration"].startswith("none: scores rank answers, but are no probabilities")
    calibrated = replace(int8, card={"calibration": {"slope": 0.5, "threshold": 0.25, "ece": 0.01}})
    shown = describe_model(calibrated)["calibration"]
    assert (shown["slope"], shown["temperature"], shown["threshold"]) == (0.5, 1.0, 0.25)


def test_half_precision(tmp_path: Path) -> None:
    path = tmp_path / "model"
    loaded = load_model(TINY)
    write_model_directory(path, loaded.model, card={}, companions=COMPANIONS)
    about = describe_model(load_model(path))
    assert about["parameters"] == parameters(TINY)
    assert about["weights"]["products"] == {"float16": 2 * (4 * 32 * 32 + 2 * 32 * 64) + 2 * 32}
    assert about["products"] == {"float": 13}


def test_int8(int8: Model) -> None:
    about = describe_model(int8)
    # What becomes INT8 is the same number of parameters; the token types' table of 2 rows stays.
    assert about["parameters"] == parameters(TINY)
    assert about["weights"]["embeddings"] == {"int8": 159 * 32, "float32": (384 + 2) * 32}
    assert about["weights"]["products"] == {"int8": 2 * (4 * 32 * 32 + 2 * 32 * 64) + 2 * 32}
    assert about["products"] == {"int8": 13}
    assert about["attention_products"] == {"int8": 2, "float": 2}
    assert about["quantizers"] > 0
    assert (about["architecture"], about["max_length"], about["vocabulary"]) == ("bert", 384, 159)


def test_int4_table(int8: Model, tmp_path: Path) -> None:
    """All is as with an INT8 table, but that one's precision."""
    about, other = describe_model(quantized(tmp_path / "model", "int4")), describe_model(int8)
    assert about["parameters"] == parameters(TINY)
    assert about["weights"]["embeddings"] == {"int4": 159 * 32, "float32": (384 + 2) * 32}
    assert {**about["weights"], "embeddings": {}} == {**other["weights"], "embeddings": {}}
    assert about["products"] == other["products"]
    saved = 159 * (32 + 4) - 159 * (16 + 2)
    assert abs(other["bytes"] - about["bytes"] - saved) < 100


def test_what_this_cpu_does(int8: Model) -> None:
    about = describe_execution(int8)
    assert about["int8"] == cpu.inference_paths()["int8"]
    assert about["float"] in ("f32", "bf16", "f16")
    assert sum(about["operations"]["FullyConnected"].values()) == 13
    in_int8 = {"u8", "i8"} if cpu.has_int8_products() else {"f32", "bf16", "f16"}
    assert set(about["operations"]["FullyConnected"]) <= in_int8
    plain = describe_execution(load_model(TINY))
    assert plain["int8"] == "not used: the model has no INT8 products"
    assert set(plain["operations"]["FullyConnected"]) <= {"f32", "bf16", "f16"}


def test_a_cpu_that_saturates(int8: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "instruction_sets", lambda: ["avx2"])
    about = describe_execution(int8)
    assert about["int8"] == "not used: AVX2 without VNNI is slower in INT8 than in float32"
    assert not set(about["operations"]["FullyConnected"]) & {"u8", "i8"}


def test_the_command(int8: Model) -> None:
    result = CliRunner().invoke(app, ["info", str(int8.path), "--json"])
    assert (result.exit_code, result.stderr) == (0, "")
    model = json.loads(result.stdout)["model"]
    assert model["directory"] == str(int8.path)
    assert model["card"] == int8.card
    assert model["products"] == {"int8": 13}
    assert model["here"]["streams"] >= 1


def test_an_unknown_precision_is_no_parameter() -> None:
    """Indices and shapes are not counted."""
    about = describe_model(load_model(TINY))
    constants = [n for n in load_model(TINY).model.get_ops() if n.get_type_name() == "Constant"]
    assert any(node.get_element_type() == ov.Type.i64 for node in constants)
    assert about["parameters"] < sum(node.data.size for node in constants)
