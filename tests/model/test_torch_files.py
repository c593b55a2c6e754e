"""Torch's zip archives: read to the bit, or refused with the file's name and what is wrong in it."""

import io
import json
import os
import shutil
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import checkpoints
import numpy as np
import pytest
import torch_files
from checkpoints import GOLDEN, TINY, WEIGHTS
from numpy.typing import NDArray
from safetensors.numpy import load_file
from spanjet import Reader
from spanjet.cli import app
from spanjet.model import load_model
from spanjet.model.weights.find import open_weights
from spanjet.model.weights.tensor_file import TensorFile
from torch_files import TORCH, TORCH_INDEX, pickled, storage, tensor, write_archive, write_torch
from typer.testing import CliRunner

REAL = GOLDEN / "torch"
VALUES = np.arange(6, dtype=np.float32)
SMALL = pickled({"x": tensor(storage("FloatStorage", "0", 6), (2, 3), (3, 1))})
QUESTIONS = ["who built the bridge?", "when?"]
TEXTS = ["the bridge was built by clara and others in 1903 . it is green .", "nobody knows"]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A copy of the tiny checkpoint with its weights as torch.save wrote them."""
    copy = Path(shutil.copytree(TINY, tmp_path / "checkpoint"))
    (copy / WEIGHTS).unlink()
    shutil.copyfile(REAL / "tiny-bert.bin", copy / TORCH)
    return copy


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A file of one tensor, x of [2, 3]."""
    write_archive(tmp_path / TORCH, SMALL, {"0": VALUES.tobytes()})
    return tmp_path / TORCH


def opened(path: Path, tmp_path: Path) -> TensorFile:
    """The tensors of a file with any name."""
    shutil.copyfile(path, tmp_path / TORCH)
    (file,) = open_weights(tmp_path / TORCH)
    return file


def is_mapped(values: NDArray[Any]) -> bool:
    """Whether an array is a view of a file."""
    while isinstance(values.base, np.ndarray) and not isinstance(values, np.memmap):
        values = values.base
    return isinstance(values, np.memmap)


def test_tensors_of_torch_are_equal_to_the_bit(tmp_path: Path) -> None:
    """Views, strides, types and parameters, saved in a checkpoint with other things."""
    file = opened(REAL / "views.bin", tmp_path)
    mapped = set()
    with np.load(REAL / "views.npz") as expected:
        assert len(expected.files) >= 15
        for name in expected.files:
            found = file.read(name, expected[name].shape)
            assert found.tobytes() == expected[name].tobytes()
            assert found.dtype == np.float32
            assert found.flags.c_contiguous
            mapped |= {name} if is_mapped(found) else set()
    assert {"whole", "tied", "row", "parameter", "scalar"} <= mapped
    assert not mapped & {"transposed", "window", "steps", "permuted", "half", "bfloat16", "expanded"}
    for name, dtype in {"position_ids": "I64", "flags": "BOOL", "double": "F64"}.items():
        with pytest.raises(ValueError, match=rf"tensor '{name}' has dtype {dtype}, expected F32, F16, BF16"):
            file.read(name, (5,))


def test_tied_tensors_share_memory(tmp_path: Path) -> None:
    file = opened(REAL / "views.bin", tmp_path)
    assert np.shares_memory(file.read("whole", (8, 6)), file.read("tied", (8, 6)))


def test_a_checkpoint_of_torch_answers_as_its_safetensors(checkpoint: Path) -> None:
    """To the bit, and so do other forms of the same numbers."""
    expected = Reader(TINY, threshold=None).ask_many(QUESTIONS, TEXTS, top_k=3)
    assert Reader(checkpoint, threshold=None).ask_many(QUESTIONS, TEXTS, top_k=3) == expected
    assert load_model(checkpoint).weights == (checkpoint / TORCH,)
    for wrapper in (None, "state_dict", "model", "model_state_dict"):
        write_torch(checkpoint / TORCH, load_file(TINY / WEIGHTS), wrapper=wrapper)
        assert Reader(checkpoint, threshold=None).ask_many(QUESTIONS, TEXTS, top_k=3) == expected


@pytest.mark.parametrize("dtype", ["F16", "BF16"])
def test_half_precision_answers_as_its_safetensors(tmp_path: Path, dtype: str) -> None:
    both = [Path(shutil.copytree(TINY, tmp_path / name)) for name in ("safetensors", "torch")]
    checkpoints.retype(both[0], dtype)
    torch_files.to_torch(both[1], dtype)
    first, second = (Reader(path, threshold=None).ask_many(QUESTIONS, TEXTS, top_k=3) for path in both)
    assert first == second


def test_shards(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(TINY, tmp_path / "checkpoint"))
    torch_files.split(copy)
    loaded = load_model(copy)
    assert [file.name for file in loaded.weights] == [
        f"pytorch_model-0000{n}-of-00003.bin" for n in (1, 2, 3)
    ]
    inputs, _ = next(checkpoints.golden(GOLDEN / "tiny-bert-logits.npz", "gelu/"))
    expected = checkpoints.run(load_model(TINY).model, inputs)
    for name, logits in checkpoints.run(loaded.model, inputs).items():
        np.testing.assert_array_equal(logits, expected[name])
    index = json.loads((copy / TORCH_INDEX).read_text())
    name = next(iter(index["weight_map"]))
    index["weight_map"][name] = "../pytorch_model.bin"
    (copy / TORCH_INDEX).write_text(json.dumps(index))
    with pytest.raises(ValueError, match=r"bin\.index\.json: tensor '.*' is said to be in '\.\./pytorch"):
        load_model(copy)


def test_safetensors_come_first(checkpoint: Path) -> None:
    shutil.copyfile(TINY / WEIGHTS, checkpoint / WEIGHTS)
    (checkpoint / TORCH).write_bytes(b"\x80")
    assert load_model(checkpoint).weights == (checkpoint / WEIGHTS,)


def test_a_single_file_comes_before_an_index(checkpoint: Path) -> None:
    (checkpoint / TORCH_INDEX).write_text("{")
    assert load_model(checkpoint).weights == (checkpoint / TORCH,)


def test_tensors_that_are_not_needed_may_have_any_type(checkpoint: Path) -> None:
    tensors = {**load_file(TINY / WEIGHTS), "bert.embeddings.position_ids": np.arange(384).reshape(1, -1)}
    write_torch(checkpoint / TORCH, tensors)
    assert load_model(checkpoint).vocab_size == 159


def test_float32_is_not_copied(archive: Path) -> None:
    (file,) = open_weights(archive)
    found = file.read("x", (2, 3))
    assert is_mapped(found)
    archive.unlink()
    assert found.tolist() == VALUES.reshape(2, 3).tolist()


def test_other_shapes_and_values(archive: Path) -> None:
    with pytest.raises(ValueError, match=rf"{TORCH}: tensor 'x' has shape \[2, 3\], expected \[3, 2\]"):
        open_weights(archive)[0].read("x", (3, 2))
    write_archive(archive, SMALL, {"0": np.full(6, np.nan, np.float32).tobytes()})
    with pytest.raises(ValueError, match=rf"{TORCH}: tensor 'x' has 6 values that are not finite"):
        open_weights(archive)[0].read("x", (2, 3))


def test_damaged_bytes_are_noticed(checkpoint: Path) -> None:
    """By their checksums, which are computed for what is read."""
    content = bytearray((checkpoint / TORCH).read_bytes())
    content[len(content) // 2] ^= 1
    (checkpoint / TORCH).write_bytes(content)
    with pytest.raises(
        ValueError, match=rf"{TORCH}: tensor '.*' is damaged: its bytes do not have the CRC-32"
    ):
        load_model(checkpoint)
    content[200] ^= 1
    (checkpoint / TORCH).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{TORCH}: data\.pkl is damaged: its bytes do not have the CRC-32"):
        load_model(checkpoint)


def test_a_damaged_tensor_is_damaged_each_time(archive: Path) -> None:
    content = archive.read_bytes()
    values = np.arange(6, dtype=np.float32).tobytes()
    archive.write_bytes(content.replace(values, values[:-1] + b"\x01"))
    assert archive.read_bytes() != content
    file = open_weights(archive)[0]
    for _ in range(2):
        with pytest.raises(ValueError, match=r"tensor 'x' is damaged"):
            file.read("x", (2, 3))


def test_files_without_checksums(tmp_path: Path) -> None:
    """torch.serialization.set_crc32_options(False); also pickle protocol 4."""
    file = opened(REAL / "without-checksums.bin", tmp_path)
    assert (file.read("weight", (4,)).tolist(), file.read("bias", (4,)).tolist()) == ([1.0] * 4, [0.0] * 4)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "before-1.6.bin",
            "torch's format before 1.6, a row of pickles, which is not read; load it with torch, and",
        ),
        ("script.bin", "a TorchScript archive, which is a program; expected a state dict"),
        (
            "module.bin",
            r"data\.pkl: byte 2: it names 'torch\.nn\.modules\.linear\.Linear', which is not what",
        ),
        (
            "sparse.bin",
            r"it names 'torch\._utils\._rebuild_sparse_tensor', which is not what a state dict needs",
        ),
        (
            "quantized.bin",
            r"it names 'torch\._utils\._rebuild_qtensor', which is not what a state dict needs",
        ),
        ("meta.bin", r"it names 'torch\._utils\._rebuild_meta_tensor_no_storage', which is not what"),
        ("float8.bin", r"it names 'torch\._utils\._rebuild_tensor_v3', which is not what a state dict needs"),
    ],
)
def test_other_files_of_torch(checkpoint: Path, name: str, expected: str) -> None:
    shutil.copyfile(REAL / name, checkpoint / TORCH)
    with pytest.raises(ValueError, match=rf"{TORCH}: .*{expected}"):
        load_model(checkpoint)


def tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("storages"))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "the file is empty, expected a zip archive"),
        (b"\x80\x02}q\x00.", "a bare pickle, which is not read; load it with torch"),
        (tar(), "a tar archive, torch's first format, which is not read"),
        ((TINY / WEIGHTS).read_bytes(), r"a safetensors file; give it the name model\.safetensors"),
        (b"\x1f\x8b\x08 and so on", "compressed with gzip"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"Entry not found", "a server's refusal"),
        (b"GGUF and so on", "it begins with b'GGUF and', expected a zip archive as torch.save writes it"),
        (b"PK\x03\x04 and so on", "truncated: it does not end as a zip archive"),
    ],
)
def test_something_else_in_the_place_of_a_file(checkpoint: Path, content: bytes, expected: str) -> None:
    (checkpoint / TORCH).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{TORCH}: {expected}"):
        load_model(checkpoint)


@pytest.mark.parametrize("kind", ["a directory", "a pipe", "a device", "a link to elsewhere"])
def test_no_regular_file(checkpoint: Path, kind: str) -> None:
    path = checkpoint / TORCH
    path.unlink()
    make: dict[str, Callable[[], Any]] = {
        "a directory": path.mkdir,
        "a pipe": lambda: os.mkfifo(path),
        "a device": lambda: path.symlink_to("/dev/zero"),
        "a link to elsewhere": lambda: path.symlink_to("elsewhere"),
    }
    make[kind]()
    with pytest.raises((ValueError, FileNotFoundError), match=f"{kind}.*(expected a file|missing)"):
        load_model(checkpoint)


def test_torch_weights_under_other_names(checkpoint: Path) -> None:
    (checkpoint / TORCH).rename(checkpoint / "model.pt")
    with pytest.raises(
        ValueError, match=r"model\.pt: weights are not read under this name; .* pytorch_model\.bin"
    ):
        load_model(checkpoint)
    (checkpoint / "model.pt").rename(checkpoint / WEIGHTS)
    with pytest.raises(ValueError, match=rf"{WEIGHTS}: a zip archive, as torch\.save writes it"):
        load_model(checkpoint)


def test_info_says_which_file_was_read(checkpoint: Path) -> None:
    result = CliRunner().invoke(app, ["info", str(checkpoint), "--json"])
    assert json.loads(result.stdout)["model"]["weight_files"] == [TORCH]


def edited(path: Path, mark: bytes, edit: Callable[[bytearray, int], None], which: int = 0) -> None:
    """Edit an archive's structure, the one of its kind that comes at ``which``."""
    content, place = bytearray(path.read_bytes()), -1
    for _ in range(which + 1):
        place = content.index(mark, place + 1)
    edit(content, place)
    path.write_bytes(content)


def put(form: str, offset: int, *values: Any) -> Callable[[bytearray, int], None]:
    """Put numbers into a structure, behind its mark."""
    return lambda content, place: struct.pack_into(form, content, place + offset, *values)


ENTRY, LOCAL, END = b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"


@pytest.mark.parametrize(
    ("mark", "which", "edit", "expected"),
    [
        (ENTRY, 1, put("<H", 8, 1), "'archive/byteorder' is encrypted"),
        (ENTRY, 1, put("<H", 8, 0x2000), "'archive/byteorder' is encrypted"),
        (ENTRY, 1, put("<H", 10, 8), "'archive/byteorder' is compressed"),
        (ENTRY, 2, put("<I", 20, 5), "'archive/data/0' is compressed"),
        (ENTRY, 2, put("<2I", 20, 10**6, 10**6), "'archive/data/0' reaches beyond the end of the files"),
        (ENTRY, 2, put("<2I", 20, 23, 23), "which is said to have 6 values of 4"),
        (ENTRY, 0, put("<2I", 20, 900, 900), "(reaches beyond|overlap)"),
        (ENTRY, 0, put("<2I", 20, 2**32 - 1, 2**32 - 1), "'archive/data.pkl' lacks its size or place"),
        (ENTRY, 2, put("<I", 42, 0), "'archive/data/0' has another name where the directory says it is"),
        (ENTRY, 2, put("<I", 42, 7), "'archive/data/0' is not where the directory says"),
        (ENTRY, 2, put("<I", 42, 2**31), "'archive/data/0' is not where the directory says"),
        (ENTRY, 1, put("<H", 28, 9), "(byte .* of its directory is not|another name|twice)"),
        (ENTRY, 3, put("<H", 28, 60000), "its directory is truncated"),
        (ENTRY, 1, put("<I", 0, 0), "byte .* of its directory is not the entry of a file"),
        (ENTRY, 0, put("12s", 46, b"archive/byte"), "another name where the directory"),
        (LOCAL, 2, put("<H", 26, 3), "'archive/data/0' has another name"),
        (LOCAL, 2, put("<H", 28, 60000), "'archive/data/0' reaches beyond the end of the files"),
        (LOCAL, 2, put("<I", 0, 0), "'archive/data/0' is not where the directory says"),
        (END, 0, put("<2H", 8, 5, 5), "4 files in the archive, its end says 5"),
        (END, 0, put("<2H", 8, 3, 4), "a part of an archive in several files"),
        (END, 0, put("<I", 12, 2**31), "truncated, or data was added before or after the archive"),
        (END, 0, put("<I", 16, 0), "truncated, or data was added before or after the archive"),
        (END, 0, put("<H", 20, 3), "truncated: it does not end as a zip archive without a comment does"),
    ],
)
def test_hostile_archives(
    archive: Path, mark: bytes, which: int, edit: Callable[[bytearray, int], None], expected: str
) -> None:
    edited(archive, mark, edit, which)
    with pytest.raises(ValueError, match=rf"{TORCH}: .*({expected})"):
        open_weights(archive)


def test_compressed_archives(archive: Path) -> None:
    write_archive(archive, SMALL, {"0": bytes(24)}, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match=rf"{TORCH}: 'archive/data\.pkl' is compressed; torch\.save stores"):
        open_weights(archive)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice(archive: Path) -> None:
    with zipfile.ZipFile(archive, "a") as content:
        content.writestr("archive/data/0", bytes(24))
    with pytest.raises(ValueError, match=rf"{TORCH}: 'archive/data/0' is in the archive twice"):
        open_weights(archive)


@pytest.mark.parametrize("place", ["before", "behind"])
def test_something_around_the_archive(archive: Path, place: str) -> None:
    content = archive.read_bytes()
    archive.write_bytes(b"PK\x03\x04" + content if place == "before" else content + b"x")
    with pytest.raises(ValueError, match=rf"{TORCH}: truncated"):
        open_weights(archive)


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ({"byteorder": b"big"}, "the numbers are not little-endian"),
        ({"constants.pkl": b""}, "a TorchScript archive"),
        ({"code/x.py": b""}, "a TorchScript archive"),
    ],
)
def test_other_archives(archive: Path, others: dict[str, bytes], expected: str) -> None:
    write_archive(archive, SMALL, {"0": bytes(24)}, others=others)
    with pytest.raises(ValueError, match=rf"{TORCH}: {expected}"):
        open_weights(archive)


def test_archives_of_something_else(archive: Path) -> None:
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr("readme.txt", "no weights")
    with pytest.raises(ValueError, match=rf"{TORCH}: a zip archive with 0 data\.pkl, expected one"):
        open_weights(archive)


def test_a_huge_pickle_is_not_read(archive: Path) -> None:
    write_archive(archive, bytes((8 << 20) + 1), {})
    with pytest.raises(ValueError, match=rf"{TORCH}: data\.pkl has 8388609 bytes, expected at most 8388608"):
        open_weights(archive)


def test_sizes_in_zip64_fields(archive: Path) -> None:
    """As in files of more than 4 GiB."""
    with zipfile.ZipFile(archive, "w") as made:
        for name, data in {"data.pkl": SMALL, "data/0": VALUES.tobytes()}.items():
            with made.open(zipfile.ZipInfo(f"big/{name}"), "w", force_zip64=True) as stream:
                stream.write(data)
    whole = bytearray(archive.read_bytes())
    start, end = whole.index(ENTRY), whole.index(END)
    entries = b""
    for content in bytes(whole[start:end]).split(ENTRY)[1:]:
        size, header = struct.unpack_from("<I", content, 20)[0], struct.unpack_from("<I", content, 38)[0]
        title = content[42 : 42 + struct.unpack_from("<H", content, 24)[0]]
        wide = struct.pack("<2H3Q", 1, 24, size, size, header)
        fields = bytearray(content[:42])
        struct.pack_into("<2I", fields, 16, 2**32 - 1, 2**32 - 1)
        struct.pack_into("<2H", fields, 26, len(wide), 0)
        struct.pack_into("<I", fields, 38, 2**32 - 1)
        entries += ENTRY + bytes(fields) + title + wide
    end64 = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 2, 2, len(entries), start)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, start + len(entries), 1)
    tail = struct.pack("<4s4H2IH", END, 0, 0, 2**16 - 1, 2**16 - 1, 2**32 - 1, 2**32 - 1, 0)
    archive.write_bytes(bytes(whole[:start]) + entries + end64 + locator + tail)
    assert zipfile.ZipFile(archive).read("big/data/0") == VALUES.tobytes()
    assert open_weights(archive)[0].read("x", (2, 3)).tolist() == VALUES.reshape(2, 3).tolist()
