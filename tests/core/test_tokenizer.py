"""Tokenizing: ids and offsets equal to those of the Hugging Face ``tokenizers`` package."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import peer
import pytest
import texts
import tokenizer_files
from spanjet import Encoding, Tokenizer

# What reading-comprehension code gets wrong most often: text, then token, start and end.
EXAMPLES: dict[str, list[tuple[str, int, int]]] = {
    "": [],
    " \t\n ": [],
    "\u0301": [],
    "a\u00adb": [("ab", 0, 3)],
    "cafe\u0301s": [("cafes", 0, 6)],
    "e\u0301": [("e", 0, 1)],
    "한": [("ᄒ", 0, 1), ("##ᅡ", 0, 1), ("##ᆫ", 0, 1)],
    "x\u200by": [("x", 0, 1), ("##y", 2, 3)],
    "a\u0000b\ufffdc": [("abc", 0, 5)],
    "a\u00a0b\u202fc\td\ne\rf": [(letter, 2 * index, 2 * index + 1) for index, letter in enumerate("abcdef")],
    "the東京": [("the", 0, 3), ("東", 3, 4), ("京", 4, 5)],
    "$+<=>^|~`": [(symbol, index, index + 1) for index, symbol in enumerate("$+<=>^|~`")],
    "Don't": [("don", 0, 3), ("'", 3, 4), ("t", 4, 5)],
    "😀 is": [("[UNK]", 0, 1), ("is", 2, 4)],
    "a [SEP] b": [("a", 0, 1), ("[SEP]", 2, 7), ("b", 8, 9)],
    "[sep]": [("[", 0, 1), ("sep", 1, 4), ("]", 4, 5)],
    "z" * 101: [("[UNK]", 0, 101)],
    "\u00ad" + "z" * 101 + " a": [("[UNK]", 1, 102), ("a", 103, 104)],
}
SETTINGS = list(product((True, False, None), (True, False), (True, False), (True, False)))


@pytest.fixture(scope="module", params=["uncased", "cased"])
def model(request: pytest.FixtureRequest) -> Path:
    return peer.UNCASED if request.param == "uncased" else peer.CASED


@pytest.fixture(scope="module")
def random_texts() -> list[str]:
    return texts.random_texts(20_000, seed=2)


def rows(encoding: Encoding) -> list[tuple[str, int, int]]:
    offsets = encoding.offsets.tolist()
    return [(token, start, end) for token, (start, end) in zip(encoding.tokens, offsets, strict=True)]


def assert_equal(path: Path, lines: list[str], *, match_special_tokens: bool = True) -> None:
    tokenizer = Tokenizer(path, match_special_tokens=match_special_tokens)
    other = peer.load(path, match_special_tokens=match_special_tokens)
    found = peer.mismatches(tokenizer, other, lines)
    assert not found, f"{len(found)} of {len(lines)} differ:\n" + "\n".join(map(str, found[:5]))


@pytest.mark.parametrize(("text", "expected"), EXAMPLES.items(), ids=ascii)
def test_examples(text: str, expected: list[tuple[str, int, int]]) -> None:
    assert rows(Tokenizer(peer.UNCASED, match_special_tokens=True).encode(text)) == expected


def test_word_length_counts_after_normalisation() -> None:
    tokenizer = Tokenizer(peer.UNCASED)
    assert "[UNK]" not in tokenizer.encode("a" * 99 + "e\u0301").tokens
    assert tokenizer.encode("a" * 98 + "한").tokens == ["[UNK]"]


def test_random_texts(model: Path, random_texts: list[str]) -> None:
    assert_equal(model, random_texts)


def test_random_texts_with_special_tokens_as_text(model: Path, random_texts: list[str]) -> None:
    assert_equal(model, random_texts[:5_000], match_special_tokens=False)


def test_special_tokens_as_text() -> None:
    tokenizer = Tokenizer(peer.UNCASED)
    assert tokenizer.encode("a [SEP]").tokens == ["a", "[", "sep", "]"]


def test_scalar_values(model: Path) -> None:
    alone = [c for c in texts.scalar_values() if ord(c) < 0x10000]
    between = [f"a{c}b" for c in texts.scalar_values(step=37)]
    after_space = [f" {c}" for c in texts.scalar_values(step=37, start=11)]
    assert_equal(model, [*alone, *texts.scalar_values(step=29, start=0x10000), *between, *after_space])


@pytest.mark.parametrize("lowercase", [True, False])
def test_scalar_values_one_by_one(tmp_path: Path, lowercase: bool) -> None:
    # A vocabulary of all characters shows what becomes of each one.
    vocabulary = tokenizer_files.alphabet(tokenizer_files.assigned(last=0x3FFFF))
    content = tokenizer_files.document(vocabulary, normalizer={"lowercase": lowercase})
    path = tokenizer_files.write(tmp_path / "tokenizer.json", content)
    assert_equal(path, [f"a{c}b" for c in texts.scalar_values() if ord(c) < 0x20000])


@pytest.mark.parametrize("settings", SETTINGS)
def test_settings(tmp_path: Path, random_texts: list[str], settings: tuple[bool | None, ...]) -> None:
    lines = random_texts[:1_000]
    names = ("strip_accents", "lowercase", "handle_chinese_chars", "clean_text")
    normalizer = dict(zip(names, settings, strict=True))
    vocabulary = tokenizer_files.alphabet("".join(lines))
    content = tokenizer_files.document(vocabulary, normalizer=normalizer)
    path = tokenizer_files.write(tmp_path / "tokenizer.json", content)
    assert_equal(path, lines)
    assert_equal(path, lines[:200], match_special_tokens=False)


@pytest.mark.parametrize(
    "model_settings",
    [
        {"continuing_subword_prefix": "@@"},
        {"continuing_subword_prefix": "é"},
        {"continuing_subword_prefix": ""},
        {"max_input_chars_per_word": 5},
        {"max_input_chars_per_word": 1},
        {"unk_token": "the"},
    ],
    ids=str,
)
def test_word_piece_settings(tmp_path: Path, random_texts: list[str], model_settings: dict[str, Any]) -> None:
    lines = random_texts[:1_000]
    prefix = model_settings.get("continuing_subword_prefix", "##")
    vocabulary = tokenizer_files.alphabet("".join(lines[:500]), prefix)
    content = tokenizer_files.document(vocabulary, model=model_settings)
    assert_equal(tokenizer_files.write(tmp_path / "tokenizer.json", content), lines)


@pytest.mark.parametrize("match_special_tokens", [True, False])
@pytest.mark.parametrize(
    "option", ["none", "single_word", "lstrip", "rstrip", "normalized", "special", "all"]
)
def test_added_tokens(tmp_path: Path, option: str, match_special_tokens: bool) -> None:
    names = ("single_word", "lstrip", "rstrip", "normalized", "special")
    options = {name: option in (name, "all") for name in names}
    vocabulary = tokenizer_files.alphabet(map(chr, range(0x20, 0x250)))
    # No two are the same once normalised: the peer then takes either.
    contents = ("<a>", "<A>b", "<a>bc", "new york", "É", "word", "Word s", "##ing", "한", "the")
    ids = {token: index for index, token in enumerate(dict.fromkeys((*vocabulary, *contents)))}
    added = [tokenizer_files.added_token(content, ids[content], **options) for content in contents]
    added.append(tokenizer_files.added_token("[SEP]", ids["[SEP]"], special=True))
    content = tokenizer_files.document(vocabulary, added_tokens=added)
    path = tokenizer_files.write(tmp_path / "tokenizer.json", content)
    joints = ("", " ", "\t \n", "a", "_", "é", "\u0301", "\u3000", "\u200b", "東")
    lines = [left + text + right for text in (*contents, "[SEP]") for left, right in product(joints, joints)]
    lines += [f"{a}{joint}{b}" for a, b in product(contents, contents) for joint in ("", " ", "  ")]
    assert_equal(path, lines, match_special_tokens=match_special_tokens)


def test_encode_equals_encode_batch(model: Path, random_texts: list[str]) -> None:
    tokenizer = Tokenizer(model, match_special_tokens=True)
    lines = random_texts[:2_000]
    many = tokenizer.encode_batch(lines)
    assert len(many) == len(lines) == len(many.indptr) - 1
    for index, text in enumerate(lines):
        part = slice(many.indptr[index], many.indptr[index + 1])
        for one in (tokenizer.encode(text), many[index]):
            assert one.text == text
            assert len(one) == len(one.tokens) == part.stop - part.start
            np.testing.assert_array_equal(one.ids, many.ids[part])
            np.testing.assert_array_equal(one.offsets, many.offsets[part])
            np.testing.assert_array_equal(one.byte_offsets, many.byte_offsets[part])
            assert one.tokens == list(map(tokenizer.id_to_token, one.ids.tolist()))


@pytest.mark.parametrize("threads", [1, 4])
def test_ids_alone(model: Path, random_texts: list[str], threads: int) -> None:
    tokenizer = Tokenizer(model, threads=threads, match_special_tokens=True)
    batch = tokenizer.encode_batch(random_texts)
    ids, indptr = tokenizer.encode_ids(random_texts)
    np.testing.assert_array_equal(ids, batch.ids)
    np.testing.assert_array_equal(indptr, batch.indptr)
    assert ids.flags.writeable
    assert tokenizer.encode_ids([])[1].tolist() == [0]
    with pytest.raises(ValueError, match=r"texts\[1\] holds a lone surrogate"):
        tokenizer.encode_ids(["a", "\ud800"])


def test_byte_offsets(model: Path, random_texts: list[str]) -> None:
    lines = random_texts[:5_000]
    many = Tokenizer(model, match_special_tokens=True).encode_batch(lines)
    for index, text in enumerate(lines):
        places = np.cumsum([0, *[len(character.encode()) for character in text]])
        part = slice(many.indptr[index], many.indptr[index + 1])
        np.testing.assert_array_equal(many.byte_offsets[part], places[many.offsets[part]])


def test_nothing_to_encode(model: Path) -> None:
    tokenizer = Tokenizer(model)
    assert tokenizer.encode("").offsets.shape == (0, 2)
    assert tokenizer.encode_batch([]).indptr.tolist() == [0]
    assert tokenizer.encode_batch(["", " ", "a"]).indptr.tolist() == [0, 0, 0, 1]


def test_index_of_encodings() -> None:
    many = Tokenizer(peer.CASED).encode_batch(["a", "b c"])
    assert many[-1].text == "b c"
    assert [len(many[index]) for index in range(2)] == [1, 2]
    for index in (2, -3):
        with pytest.raises(IndexError, match=str(index)):
            many[index]
