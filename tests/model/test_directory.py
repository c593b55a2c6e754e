"""A model directory is written whole or not at all, and a damaged one is refused by name."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from spanjet.model import Model, ModelDirectory, load_model, write_model_directory
from spanjet.runtime.openvino import shared_core
from spanjet.storage import staged

TINY = Path(__file__).parents[1] / "golden" / "tiny-bert"
COMPANIONS = {name: TINY / name for name in ("config.json", "tokenizer.json", "vocab.txt")}
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


@pytest.fixture(scope="module")
def tiny() -> Model:
    return load_model(TINY)


@pytest.fixture
def directory(tmp_path: Path, tiny: Model) -> Path:
    path = tmp_path / "model"
    write_model_directory(path, tiny.model, card={"name": "tiny"}, companions=COMPANIONS)
    return path


def test_round_trip(directory: Path, tiny: Model) -> None:
    loaded = load_model(directory)
    files = {file.name: file.stat().st_size for file in directory.iterdir() if file.name != "card.json"}
    assert sorted(files) == sorted([*COMPANIONS, "openvino_model.bin", "openvino_model.xml"])
    assert loaded.card == {"name": "tiny", "bytes": files}
    assert (loaded.path, loaded.tokenizer) == (directory, directory / "tokenizer.json")
    assert (loaded.max_length, loaded.vocab_size) == (tiny.max_length, tiny.vocab_size)
    assert ModelDirectory.read(directory).tokenizer == loaded.tokenizer
    inputs = {name: np.ones((2, 9), np.int32) for name in INPUTS}
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    logits = [shared_core().compile_model(one.model, "CPU", options)(inputs)[0] for one in (loaded, tiny)]
    assert 0 < np.abs(logits[0] - logits[1]).max() < 0.02  # the weights became float16


def test_permissions_follow_the_mask(directory: Path) -> None:
    mask = os.umask(0)
    os.umask(mask)
    assert directory.stat().st_mode & 0o777 == 0o777 & ~mask
    assert all(os.access(file, os.R_OK) for file in directory.iterdir())


def test_nothing_is_overwritten_unasked(directory: Path, tiny: Model) -> None:
    before = (directory / "card.json").read_bytes()
    with pytest.raises(FileExistsError, match="exists already"):
        write_model_directory(directory, tiny.model, card={}, companions=COMPANIONS)
    assert (directory / "card.json").read_bytes() == before


def test_overwrite(directory: Path, tiny: Model) -> None:
    (directory / "stale").touch()
    write_model_directory(directory, tiny.model, card={"name": "new"}, companions=COMPANIONS, overwrite=True)
    card = load_model(directory).card
    assert card is not None
    assert card["name"] == "new"
    assert not (directory / "stale").exists()
    assert list(directory.parent.iterdir()) == [directory]


@pytest.mark.parametrize("kind", ["directory", "file", "link"])
def test_what_is_no_model_directory_is_never_replaced(directory: Path, tiny: Model, kind: str) -> None:
    target = directory.parent / "home"
    if kind == "directory":
        target.mkdir()
        (target / "letter").touch()
    elif kind == "file":
        target.touch()
    else:
        target.symlink_to(directory)
    with pytest.raises(FileExistsError, match="not overwritten"):
        write_model_directory(target, tiny.model, card={}, companions=COMPANIONS, overwrite=True)
    assert kind != "directory" or (target / "letter").exists()


def test_a_failure_leaves_nothing(directory: Path, tiny: Model) -> None:
    before = {file.name: file.read_bytes() for file in directory.iterdir()}
    with pytest.raises(FileNotFoundError):
        write_model_directory(
            directory, tiny.model, card={}, companions={"a": TINY / "nothing"}, overwrite=True
        )
    with pytest.raises(TypeError):
        write_model_directory(directory.parent / "new", tiny.model, card={"a": {1}}, companions=COMPANIONS)
    assert list(directory.parent.iterdir()) == [directory]
    assert {file.name: file.read_bytes() for file in directory.iterdir()} == before


def test_the_faster_writer_wins(tmp_path: Path) -> None:
    target = tmp_path / "model"

    def write() -> None:
        with staged(target, mark="mark", overwrite=False) as stage:
            (stage / "mine").touch()
            target.mkdir()
            (target / "theirs").touch()

    with pytest.raises(FileExistsError, match="exists already"):
        write()
    assert [file.name for file in target.iterdir()] == ["theirs"]
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    "name", ["openvino_model.xml", "openvino_model.bin", "config.json", "tokenizer.json"]
)
def test_missing_file(directory: Path, name: str) -> None:
    (directory / "vocab.txt").unlink()
    (directory / name).unlink()
    with pytest.raises(FileNotFoundError, match=name.partition(".")[0]):
        load_model(directory)


@pytest.mark.parametrize("change", [-1, -5000, 1])
def test_weights_of_the_wrong_size(directory: Path, change: int) -> None:
    path = directory / "openvino_model.bin"
    content = path.read_bytes()
    path.write_bytes(content[:change] if change < 0 else content + bytes(change))
    expected = rf"openvino_model\.bin: {len(content) + change} bytes, expected {len(content)}"
    with pytest.raises(ValueError, match=expected):
        load_model(directory)


def test_empty_weights(directory: Path) -> None:
    (directory / "openvino_model.bin").write_bytes(b"")
    with pytest.raises(ValueError, match=r"openvino_model\.bin: 0 bytes"):
        load_model(directory)


@pytest.mark.parametrize("part", [0, 0.5, 0.99])
def test_truncated_graph(directory: Path, part: float) -> None:
    path = directory / "openvino_model.xml"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(ValueError, match=r"openvino_model\.xml: truncated"):
        load_model(directory)


def test_malformed_graph(directory: Path) -> None:
    path = directory / "openvino_model.xml"
    path.write_text(path.read_text().replace("<edges>", "<edge>"))
    with pytest.raises(ValueError, match=r"openvino_model\.xml: not an OpenVINO model"):
        load_model(directory)


@pytest.mark.parametrize("content", ["", "[]", "{"])
def test_malformed_card(directory: Path, content: str) -> None:
    (directory / "card.json").write_text(content)
    with pytest.raises(ValueError, match=r"card\.json"):
        load_model(directory)


def test_a_directory_without_a_card(directory: Path) -> None:
    (directory / "card.json").unlink()
    assert load_model(directory).card is None


def test_a_card_makes_no_checkpoint(directory: Path) -> None:
    """A model directory that lost its model is not taken for a checkpoint."""
    for name in ("openvino_model.xml", "openvino_model.bin"):
        (directory / name).unlink()
    shutil.copyfile(TINY / "model.safetensors", directory / "model.safetensors")
    with pytest.raises(FileNotFoundError, match=r"openvino_model\.xml"):
        load_model(directory)
    assert json.loads((directory / "card.json").read_text())["name"] == "tiny"
