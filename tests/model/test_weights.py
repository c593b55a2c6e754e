"""Weights in all their forms: read, or refused with the file's and the tensor's names."""

import gzip
import json
import os
import re
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import checkpoints
import numpy as np
import pytest
from checkpoints import INDEX, TINY, WEIGHTS, edit_tensors, write_safetensors
from safetensors.numpy import load_file, save_file
from spanjet.cli import app
from spanjet.model import load_model
from spanjet.model.weights import Weights
from spanjet.model.weights.find import open_weights
from typer.testing import CliRunner

SHARD = "model-00002-of-00003.safetensors"
QUERY = "bert.encoder.layer.0.attention.self.query.weight"
GOOD = {"x": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A copy of the tiny checkpoint to damage."""
    return Path(shutil.copytree(TINY, tmp_path / "checkpoint"))


@pytest.fixture
def index(checkpoint: Path) -> Path:
    """The index of the tiny checkpoint in three files."""
    return checkpoints.split(checkpoint)


def edit_index(index: Path, edit: Callable[[dict[str, str]], Any]) -> None:
    content = json.loads(index.read_text())
    edit(content["weight_map"])
    index.write_text(json.dumps(content))


@pytest.mark.parametrize(("dtype", "format_"), [("F16", "<f2"), ("BF16", "<u2"), ("F32", "<f4")])
def test_float_formats(tmp_path: Path, dtype: str, format_: str) -> None:
    values = np.random.default_rng(0).standard_normal((3, 5)).astype(np.float32)
    values[0, :2] = 0, -0.0
    bits = (values.view("<u4") >> 16) if dtype == "BF16" else values
    stored = bits.astype(format_)
    path = tmp_path / WEIGHTS
    header = {"x": {"dtype": dtype, "shape": [3, 5], "data_offsets": [0, stored.nbytes]}}
    write_safetensors(path, header, stored.tobytes())
    taken = Weights(path, prefix="bert.", ignored="").take("x", (3, 5))
    expected = (values.view("<u4") & 0xFFFF0000).view("<f4") if dtype == "BF16" else stored.astype(np.float32)
    assert taken.dtype == np.float32
    np.testing.assert_array_equal(taken, expected)


def test_float32_is_not_copied(tmp_path: Path) -> None:
    path = tmp_path / WEIGHTS
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    write_safetensors(path, json.dumps(GOOD).encode().ljust(80), values.tobytes())
    (file,) = open_weights(path)
    first, second = file.read("x", (2, 3)), file.read("x", (2, 3))
    assert np.shares_memory(first, second)
    path.unlink()
    del file
    np.testing.assert_array_equal(first, values)


def test_odd_places_are_read(tmp_path: Path) -> None:
    """A header's length need not be a multiple of four."""
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    for padding in range(8):
        path = tmp_path / f"{padding}.safetensors"
        write_safetensors(path, json.dumps(GOOD).encode() + b" " * padding, values.tobytes())
        taken = open_weights(path)[0].read("x", (2, 3))
        assert taken.flags.aligned
        np.testing.assert_array_equal(taken, values)


@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(tmp_path: Path, dtype: str, value: float) -> None:
    values = np.zeros(600_000, np.float32)
    values[[3, 300_000, -1]] = value
    stored = {"F32": values, "F16": values.astype("<f2"), "BF16": (values.view("<u4") >> 16).astype("<u2")}[
        dtype
    ]
    path = tmp_path / WEIGHTS
    header = {"x": {"dtype": dtype, "shape": [600_000], "data_offsets": [0, stored.nbytes]}}
    write_safetensors(path, header, stored.tobytes())
    with pytest.raises(ValueError, match=r"model\.safetensors: tensor 'x' has 3 values that are not finite"):
        open_weights(path)[0].read("x", (600_000,))


@pytest.mark.parametrize("size", [0, 4, 8, 100, 3000, 142_815])
def test_truncated_weights(checkpoint: Path, size: int) -> None:
    path = checkpoint / WEIGHTS
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ValueError, match=r"model\.safetensors: (truncated|the file is empty)"):
        load_model(checkpoint)


@pytest.mark.parametrize("size", [2**63, 2**64 - 1, 10**9, 9 << 20])
def test_absurd_header_sizes(checkpoint: Path, size: int) -> None:
    write_safetensors(checkpoint / WEIGHTS, GOOD, bytes(24), header_size=size)
    with pytest.raises(
        ValueError, match=rf"model\.safetensors: .* a header of {size} bytes, expected at most"
    ):
        load_model(checkpoint)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff" * 40,
        b'{"x":' + b"[" * 50_000,
        b'{"x": 1}',
        {"x": {}},
        {"x": {**GOOD["x"], "dtype": "F99"}},
        {"x": {**GOOD["x"], "dtype": 7}},
        {"x": {**GOOD["x"], "shape": "2x3"}},
        {"x": {**GOOD["x"], "shape": [-2, -3]}},
        {"x": {**GOOD["x"], "shape": [2.0, 3.0]}},
        {"x": {**GOOD["x"], "shape": [2**62, 2**62]}},
        {"x": {**GOOD["x"], "shape": [3, 3]}},
        {"x": {**GOOD["x"], "data_offsets": [0, 23]}},
        {"x": {**GOOD["x"], "data_offsets": [24, 0]}},
        {"x": {**GOOD["x"], "data_offsets": [-24, 0]}},
        {"x": {**GOOD["x"], "data_offsets": [8, 32]}},
        {"x": {**GOOD["x"], "data_offsets": [0, 2**64]}},
        {"x": {**GOOD["x"], "data_offsets": [0]}},
        {**GOOD, "y": GOOD["x"]},
        {**GOOD, "y": {**GOOD["x"], "data_offsets": [12, 36]}},
        {**GOOD, "__metadata__": {"a": {"b": 1}}},
        {**GOOD, "__metadata__": 5},
    ],
)
def test_hostile_headers(checkpoint: Path, header: Any) -> None:
    write_safetensors(checkpoint / WEIGHTS, header, bytes(24))
    with pytest.raises(ValueError, match=r"model\.safetensors: (truncated or not|tensor 'x')"):
        load_model(checkpoint)


def test_a_name_twice_in_the_header(tmp_path: Path) -> None:
    """The last one counts, as it does for the package that checked it."""
    path = tmp_path / WEIGHTS
    entry = json.dumps(GOOD["x"])
    other = json.dumps({"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]})
    write_safetensors(path, f'{{"x": {other}, "x": {entry}}}'.encode(), bytes(24))
    assert open_weights(path)[0].read("x", (2, 3)).shape == (2, 3)
    write_safetensors(path, f'{{"x": {entry}, "x": {other}}}'.encode(), bytes(24))
    with pytest.raises(ValueError, match="not a safetensors file"):
        open_weights(path)


def test_corrupt_header(checkpoint: Path) -> None:
    path = checkpoint / WEIGHTS
    content = bytearray(path.read_bytes())
    content[20] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.safetensors"):
        load_model(checkpoint)


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
PAGE = b"\xef\xbb\xbf\n <!DOCTYPE html>\n<html><body>404</body></html>"
MISTAKEN: list[tuple[bytes, str]] = [
    (LFS, "a Git LFS pointer, expected the file itself: fetch it with `git lfs pull`"),
    (PAGE, "a web page, expected the file itself"),
    (b"<HTML lang=en>", "a web page, expected the file itself"),
    (b"Entry not found", "a server's refusal, expected the file itself"),
    (b"PK\x03\x04 and so on", "a zip archive"),
]


@pytest.mark.parametrize("name", [WEIGHTS, "config.json", "tokenizer.json"])
@pytest.mark.parametrize(("content", "expected"), MISTAKEN)
def test_something_else_in_the_place_of_a_file(
    checkpoint: Path, name: str, content: bytes, expected: str
) -> None:
    (checkpoint / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{re.escape(name)}: {re.escape(expected)}"):
        load_model(checkpoint)


@pytest.mark.parametrize("name", [SHARD, INDEX])
def test_a_git_lfs_pointer_in_the_place_of_a_part(index: Path, name: str) -> None:
    (index.parent / name).write_bytes(LFS)
    with pytest.raises(ValueError, match=rf"{re.escape(name)}: a Git LFS pointer"):
        load_model(index.parent)


def test_compressed_weights(checkpoint: Path) -> None:
    path = checkpoint / WEIGHTS
    path.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(ValueError, match=r"not a safetensors file: it is compressed with gzip$"):
        load_model(checkpoint)


def test_weights_of_another_name_are_shown(checkpoint: Path) -> None:
    (checkpoint / WEIGHTS).rename(checkpoint / "adapter_model.safetensors")
    (checkpoint / "model.gguf").write_bytes(b"GGUF")
    with pytest.raises(
        FileNotFoundError, match=r"no checkpoint, but adapter_model\.safetensors, model\.gguf"
    ):
        load_model(checkpoint)


@pytest.mark.parametrize("content", [b"Not Found, said the server", b"{}" * 10])
def test_a_text_in_the_place_of_weights(checkpoint: Path, content: bytes) -> None:
    (checkpoint / WEIGHTS).write_bytes(content)
    with pytest.raises(ValueError, match=rf"not a safetensors file: it begins with '{content[:8].decode()}'"):
        load_model(checkpoint)


@pytest.mark.parametrize("name", [WEIGHTS, "config.json", "tokenizer.json"])
@pytest.mark.parametrize("kind", ["a directory", "a pipe", "a socket", "a device", "a link to elsewhere"])
def test_no_regular_file(checkpoint: Path, name: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = checkpoint / name
    path.unlink()
    monkeypatch.chdir(checkpoint)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as end:
        make: dict[str, Callable[[], Any]] = {
            "a directory": path.mkdir,
            "a pipe": lambda: os.mkfifo(path),
            "a socket": lambda: end.bind(name),
            "a device": lambda: path.symlink_to("/dev/zero"),
            "a link to elsewhere": lambda: path.symlink_to("elsewhere"),
        }
        make[kind]()
        with pytest.raises(
            (ValueError, FileNotFoundError), match=f"{kind}.*(expected a file|missing)"
        ) as caught:
            load_model(checkpoint)
    assert name in str(caught.value)


def test_git_lfs_pointers_through_the_command(checkpoint: Path) -> None:
    (checkpoint / WEIGHTS).write_bytes(LFS)
    result = CliRunner().invoke(app, ["ask", "who?", "--model", str(checkpoint)], input="by clara")
    expected = f"spanjet: {checkpoint / WEIGHTS}: {MISTAKEN[0][1]}\n"
    assert (result.exit_code, result.stderr) == (2, expected)


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda name: f"module.{name}",
        lambda name: f"model.{name}",
        lambda name: f"_orig_mod.module.{name}",
        lambda name: name.replace("bert.", "bert._orig_mod."),
        lambda name: f"model.{name.removeprefix('bert.')}",
    ],
)
def test_names_that_a_training_wrapper_made(checkpoint: Path, wrapped: Callable[[str], str]) -> None:
    edit_tensors(checkpoint, lambda tensors: {wrapped(name): tensor for name, tensor in tensors.items()})
    inputs, _ = next(checkpoints.golden(checkpoints.GOLDEN / "tiny-bert-logits.npz", "gelu/"))
    found, expected = (checkpoints.run(load_model(path).model, inputs) for path in (checkpoint, TINY))
    for name, logits in expected.items():
        np.testing.assert_array_equal(found[name], logits)


def test_names_of_another_wrapper_are_shown(checkpoint: Path) -> None:
    edit_tensors(checkpoint, lambda tensors: {f"net.{name}": tensor for name, tensor in tensors.items()})
    expected = (
        r"tensor 'embeddings\.word_embeddings\.weight' is missing, expected with shape \[159, 32\]; the file "
        r"has 39 tensors, the nearest 'net\.bert\.embeddings\.word_embeddings\.weight', 'net\."
    )
    with pytest.raises(ValueError, match=expected):
        load_model(checkpoint)


def test_a_file_without_tensors(checkpoint: Path) -> None:
    edit_tensors(checkpoint, lambda _: {})
    with pytest.raises(ValueError, match=r"is missing, expected with shape .*; the file has none$"):
        load_model(checkpoint)


@pytest.mark.parametrize("name", ["tf_model.h5", "flax_model.msgpack"])
def test_weights_of_other_frameworks_are_refused(checkpoint: Path, name: str) -> None:
    (checkpoint / WEIGHTS).rename(checkpoint / name)
    with pytest.raises(ValueError, match=rf"{name}: weights of another framework .* save them as model\."):
        load_model(checkpoint)


def test_one_file_comes_before_an_index(checkpoint: Path) -> None:
    (checkpoint / INDEX).write_text("{")
    assert load_model(checkpoint).weights == (checkpoint / WEIGHTS,)


@pytest.mark.parametrize(
    "name",
    ["../model.safetensors", "/etc/passwd", "a/b.safetensors", "..", ".", "", "a\0b", "a\\b", 5, None, ["x"]],
)
def test_hostile_file_names_in_the_index(index: Path, name: Any) -> None:
    shutil.copyfile(index.parent / SHARD, index.parent.parent / WEIGHTS)
    edit_index(index, lambda places: places.update({next(iter(places)): name}))
    with pytest.raises(ValueError, match=r"index\.json: tensor '.*' is said to be in .*, expected the name"):
        load_model(index.parent)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"weight_map": {}}', '{"weight_map": [1]}'])
def test_malformed_index(index: Path, content: str) -> None:
    index.write_text(content)
    with pytest.raises(ValueError, match=r"index\.json: "):
        load_model(index.parent)


def test_a_link_that_leads_out(index: Path) -> None:
    shard = index.parent / SHARD
    outside = index.parent.parent / "secret.safetensors"
    shard.rename(outside)
    shard.symlink_to(outside)
    with pytest.raises(ValueError, match=rf"{SHARD}: a link that leads out of the checkpoint, to .*secret"):
        load_model(index.parent)


def test_links_within(index: Path) -> None:
    shard = index.parent / SHARD
    shard.rename(index.parent / "renamed.safetensors")
    shard.symlink_to("renamed.safetensors")
    assert len(load_model(index.parent).weights) == 3
    linked = index.parent.parent / "linked"
    linked.symlink_to(index.parent)
    assert len(load_model(linked).weights) == 3


def test_missing_and_damaged_files(index: Path) -> None:
    shard = index.parent / SHARD
    content = shard.read_bytes()
    shard.write_bytes(content[:-5])
    with pytest.raises(ValueError, match=f"{SHARD}: truncated"):
        load_model(index.parent)
    shard.unlink()
    with pytest.raises(FileNotFoundError, match=f"missing, though {INDEX} names it.*{SHARD}"):
        load_model(index.parent)


def test_a_tensor_that_is_elsewhere(index: Path) -> None:
    def move(places: dict[str, str]) -> None:
        places[QUERY] = SHARD

    assert json.loads(index.read_text())["weight_map"][QUERY] != SHARD
    edit_index(index, move)
    with pytest.raises(ValueError, match=rf"{SHARD}: tensor '{QUERY}' is missing"):
        load_model(index.parent)


def test_a_tensor_in_two_files(index: Path) -> None:
    shard = index.parent / SHARD
    tensors = load_file(shard)
    assert QUERY not in tensors
    save_file({**tensors, QUERY: np.zeros((32, 32), np.float32)}, shard)
    with pytest.raises(ValueError, match=rf"tensor '{QUERY}' occurs twice"):
        load_model(index.parent)


def test_a_tensor_that_is_missing_everywhere(index: Path) -> None:
    shard = index.parent / SHARD
    tensors = load_file(shard)
    name = sorted(tensors)[0]
    del tensors[name]
    save_file(tensors, shard)
    edit_index(index, lambda places: places.pop(name))
    with pytest.raises(ValueError, match=rf"index\.json: tensor '{name.removeprefix('bert.')}' is missing"):
        load_model(index.parent)


def test_a_large_configuration_is_not_read(checkpoint: Path) -> None:
    with (checkpoint / "config.json").open("r+b") as file:
        file.truncate(1 << 33)
    with pytest.raises(ValueError, match=r"config\.json: 8589934592 bytes, expected a JSON file of at most"):
        load_model(checkpoint)


def test_unused_tensors_are_named(checkpoint: Path) -> None:
    edit_tensors(checkpoint, lambda tensors: {**tensors, "adapter.weight": np.zeros(3, np.float32)})
    with pytest.raises(
        ValueError, match=r"model\.safetensors: 1 tensors were not expected: 'adapter\.weight'"
    ):
        load_model(checkpoint)
