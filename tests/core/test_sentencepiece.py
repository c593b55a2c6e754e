"""SentencePiece models: transformers' ids and offsets, and what is wrong with a file that cannot be read."""

import contextlib
import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentencepiece_files
from sentencepiece_files import GOLDEN, NAMES, field, model, write
from spanjet import Tokenizer
from spanjet.model.directory import find_tokenizer

RECORDED = json.loads((GOLDEN / "tokens.json").read_text(encoding="utf-8"))
CASES = RECORDED["cases"]


def read(directory: Path, **options: Any) -> Tokenizer:
    return Tokenizer(find_tokenizer(directory), **options)


@pytest.mark.parametrize("case", CASES, ids=[f"{case[0]}-{index}" for index, case in enumerate(CASES)])
def test_tokens_equal_transformers(tmp_path: Path, case: list[Any]) -> None:
    family, settings, normalised, pair, expected = case
    directory = write(tmp_path / family, family, settings, normalised=normalised)
    # As transformers has it: special tokens that a text becomes by normalisation are special tokens.
    tokenizer = read(directory, match_special_tokens=True)
    for text, (ids, offsets) in zip(RECORDED["texts"], expected, strict=True):
        encoding = tokenizer.encode(text)
        assert encoding.ids.tolist() == ids
        assert encoding.offsets.tolist() == offsets
    windows = tokenizer.windows(["a"], ["b"], max_length=16, doc_stride=4)
    assert windows.batch(np.array([0])).input_ids[0].tolist() == pair


def test_all_families_are_recorded() -> None:
    recorded = [(family, settings) for family, settings, *_ in CASES[::2]]
    assert recorded == sentencepiece_files.CASES
    assert len(RECORDED["texts"]) > 30


def test_special_tokens_in_texts_are_plain(tmp_path: Path) -> None:
    directory = write(tmp_path / "albert", "albert")
    plain, special = read(directory), read(directory, match_special_tokens=True)
    cls = plain.token_to_id("[CLS]")
    assert cls in special.encode("[CLS]").ids
    assert cls not in plain.encode("[CLS]").ids


def test_a_tokenizer_file_comes_first(tmp_path: Path) -> None:
    directory = write(tmp_path / "albert", "albert")
    (directory / "tokenizer.json").write_text("{}")
    assert find_tokenizer(directory).name == "tokenizer.json"
    (directory / "tokenizer.json").unlink()
    assert find_tokenizer(directory).name == "spiece.model"
    assert Tokenizer(directory) == read(directory)


def test_the_family_may_be_the_models(tmp_path: Path) -> None:
    directory = write(tmp_path / "albert", "albert")
    expected = read(directory).encode("Who built it?").ids
    (directory / "tokenizer_config.json").unlink()
    assert np.array_equal(read(directory).encode("Who built it?").ids, expected)
    (directory / "tokenizer_config.json").write_text('{"tokenizer_class": "AlbertTokenizerFast"}')
    (directory / "config.json").unlink()
    assert np.array_equal(read(directory).encode("Who built it?").ids, expected)


@pytest.mark.parametrize("tokenizer_class", ["XLNetTokenizer", "T5Tokenizer", None])
def test_other_families_are_told_how_to_convert(tmp_path: Path, tokenizer_class: str | None) -> None:
    directory = write(tmp_path / "other", "albert", {"tokenizer_class": tokenizer_class})
    (directory / "config.json").write_text('{"model_type": "xlnet"}')
    with pytest.raises(
        ValueError, match=r"spiece\.model: is a SentencePiece model of none of the families"
    ) as caught:
        read(directory)
    command = f"A.from_pretrained('{directory}').save_pretrained('{directory}')"
    assert command in str(caught.value)


def test_other_kinds_are_told_how_to_convert(tmp_path: Path) -> None:
    directory = write(tmp_path / "bpe", "albert")
    (directory / "spiece.model").write_bytes(model("albert") + field(2, bytes([3 << 3, 2])))
    with pytest.raises(
        ValueError, match=r"of another kind than Unigram; expected a tokenizer\.json beside it"
    ):
        read(directory)


def piece(text: bytes, kind: int = 1) -> bytes:
    return field(1, field(1, text) + bytes([3 << 3, kind]))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
        (b"<!DOCTYPE html>", "is a web page"),
        (b"\xff" * 40, "is no SentencePiece model, or is damaged"),
        (b"plain text, long enough", "is no SentencePiece model, or is damaged"),
        (piece(b"a") * 5, "is no SentencePiece model with an unknown piece, or is truncated"),
        (piece(b"<unk>", 2) + piece(b"a") * 5, "has a piece twice"),
        (piece(b"<unk>", 2) + piece(b"\xff") + piece(b"b") + piece(b"c"), "or is damaged"),
        (piece(b"<unk>", 2) + piece(b"") + piece(b"b") + piece(b"c"), "or is damaged"),
        (
            b"".join(piece(text) for text in (b"a", b"b", b"c")) + piece(b"<unk>", 2),
            "lacks the padding token",
        ),
    ],
)
def test_damaged_files(tmp_path: Path, content: bytes, expected: str) -> None:
    directory = write(tmp_path / "albert", "albert")
    (directory / "spiece.model").write_bytes(content)
    with pytest.raises(ValueError, match=rf"spiece\.model: .*{expected}"):
        Tokenizer(directory / "spiece.model")


@pytest.mark.parametrize("family", sorted(NAMES))
def test_mutations(tmp_path: Path, family: str) -> None:
    """Any change of bytes gives a tokenizer or an error that names the file."""
    directory = write(tmp_path / family, family)
    path, content, generator = directory / NAMES[family], model(family), random.Random(1)
    messages = []
    for _ in range(300):
        damaged = bytearray(content)
        for _ in range(generator.randrange(1, 4)):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        if generator.random() < 0.3:
            del damaged[generator.randrange(len(damaged)) :]
        path.write_bytes(damaged)
        try:
            tokenizer = Tokenizer(path)
        except ValueError as error:
            messages.append(str(error))
            continue
        with contextlib.suppress(ValueError):  # a character that has no token, and no unknown token any more
            tokenizer.encode("The bridge was built in 1881.")
    assert 50 < len(messages) < 300
    assert all(path.name in message for message in messages)


def test_pickled_and_moved(tmp_path: Path) -> None:
    directory = write(tmp_path / "albert", "albert")
    shutil.copytree(directory, tmp_path / "again")
    assert read(directory) == read(tmp_path / "again")
    assert read(directory) != read(write(tmp_path / "other", "albert", {"keep_accents": True}))
