"""Reading a tokenizer: from each kind of file, with each setting, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import peer
import pytest
import texts
import tokenizer_files
from spanjet import Tokenizer

VOCABULARY = tokenizer_files.alphabet(map(chr, range(0x21, 0x7F)))
Document = dict[str, Any]


@pytest.fixture(scope="module")
def random_texts() -> list[str]:
    return texts.random_texts(2_000, seed=3)


def write_vocabulary(
    directory: Path, tokens: list[str], config: dict[str, Any] | None = None, line_end: str = "\n"
) -> Path:
    directory.mkdir(exist_ok=True)
    content = "".join(token + line_end for token in tokens)
    (directory / "vocab.txt").write_bytes(content.encode())
    if config is not None:
        (directory / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return directory


def assert_same(one: Tokenizer, other: Tokenizer, lines: list[str]) -> None:
    first, second = one.encode_batch(lines), other.encode_batch(lines)
    np.testing.assert_array_equal(first.indptr, second.indptr)
    np.testing.assert_array_equal(first.ids, second.ids)
    np.testing.assert_array_equal(first.offsets, second.offsets)


SETTINGS = list(product((True, False, None), (True, False), (True, False)))


@pytest.mark.parametrize(("strip_accents", "lowercase", "chinese"), SETTINGS)
def test_vocabulary_file_equals_tokenizer_file(
    tmp_path: Path, random_texts: list[str], strip_accents: bool | None, lowercase: bool, chinese: bool
) -> None:
    # A line ends where the token does: tokens of white space cannot stand in a vocab.txt.
    characters = [c for text in random_texts for c in text if not c.isspace() and c != "\x00"]
    tokens = tokenizer_files.alphabet(characters)
    config = {
        "do_lower_case": lowercase,
        "strip_accents": strip_accents,
        "tokenize_chinese_chars": chinese,
    }
    directory = write_vocabulary(tmp_path / "text", tokens, config)
    normalizer = {"lowercase": lowercase, "strip_accents": strip_accents, "handle_chinese_chars": chinese}
    content = tokenizer_files.document(tokens, normalizer=normalizer)
    path = tokenizer_files.write(tmp_path / "tokenizer.json", content)
    assert_same(
        Tokenizer(directory, match_special_tokens=True),
        Tokenizer(path, match_special_tokens=True),
        random_texts,
    )
    assert (
        peer.mismatches(Tokenizer(directory, match_special_tokens=True), peer.load(directory), random_texts)
        == []
    )


def test_path_may_be_file_directory_or_text(tmp_path: Path, random_texts: list[str]) -> None:
    directory = write_vocabulary(tmp_path, VOCABULARY, {})
    one = Tokenizer(directory, match_special_tokens=True)
    for path in (str(directory), directory / "vocab.txt", str(directory / "vocab.txt")):
        assert_same(one, Tokenizer(path, match_special_tokens=True), random_texts[:200])


def test_tokenizer_file_comes_before_vocabulary_file(tmp_path: Path) -> None:
    directory = write_vocabulary(tmp_path, VOCABULARY, {"do_lower_case": True, "strip_accents": False})
    content = tokenizer_files.document(VOCABULARY, normalizer={"lowercase": False})
    tokenizer_files.write(directory / "tokenizer.json", content)
    with pytest.warns(UserWarning, match="says not to lower-case texts"):
        assert Tokenizer(directory).encode("A").tokens == ["A"]
    assert Tokenizer(directory / "vocab.txt").encode("A").tokens == ["a"]


@pytest.mark.parametrize("line_end", ["\r\n", " \n", "\t\r\n", "\r"], ids=ascii)
def test_line_ends(tmp_path: Path, random_texts: list[str], line_end: str) -> None:
    one = Tokenizer(write_vocabulary(tmp_path / "one", VOCABULARY, {}), match_special_tokens=True)
    other = Tokenizer(
        write_vocabulary(tmp_path / "other", VOCABULARY, {}, line_end), match_special_tokens=True
    )
    assert other.vocab_size == len(VOCABULARY)
    assert_same(one, other, random_texts)


def test_vocabulary_file_without_settings_is_uncased(tmp_path: Path) -> None:
    assert Tokenizer(write_vocabulary(tmp_path, VOCABULARY)).encode("É").tokens == ["e"]


def test_last_line_without_end_and_repeated_token(tmp_path: Path, random_texts: list[str]) -> None:
    directory = write_vocabulary(tmp_path, [*VOCABULARY, "a", "the"], {})
    path = directory / "vocab.txt"
    path.write_bytes(path.read_bytes().rstrip())
    assert (
        peer.mismatches(Tokenizer(directory, match_special_tokens=True), peer.load(directory), random_texts)
        == []
    )
    assert Tokenizer(directory).token_to_id("the") == len(VOCABULARY) + 1


@pytest.mark.parametrize("as_object", [False, True])
def test_special_tokens_of_other_names(tmp_path: Path, as_object: bool) -> None:
    names = {"unk_token": "<unk>", "cls_token": "<s>", "sep_token": "</s>", "pad_token": "<pad>"}
    config = {key: {"content": name, "special": True} if as_object else name for key, name in names.items()}
    tokens = [*names.values(), "a", "##b"]
    tokenizer = Tokenizer(write_vocabulary(tmp_path, tokens, config), match_special_tokens=True)
    assert tokenizer.encode("a</s>zz").ids.tolist() == [4, 2, 0]
    special = [tokenizer.unk_token_id, tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id]
    assert special == [0, 1, 2, 3]


def test_vocabulary_properties() -> None:
    tokenizer = Tokenizer(peer.CASED)
    assert tokenizer.vocab_size == 28_996
    special = [tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.cls_token_id, tokenizer.sep_token_id]
    assert special == [0, 100, 101, 102]
    assert tokenizer.token_to_id("##ing") == 1158
    assert tokenizer.id_to_token(1158) == "##ing"
    assert tokenizer.token_to_id("no such token") is None
    for missing in (-1, 28_996, 2**31, 2**40):
        assert tokenizer.id_to_token(missing) is None


def test_ids_with_holes(tmp_path: Path) -> None:
    vocabulary = {token: 3 * index for index, token in enumerate(VOCABULARY)}
    path = tokenizer_files.write(tmp_path / "tokenizer.json", tokenizer_files.document(vocabulary))
    tokenizer = Tokenizer(path)
    assert tokenizer.vocab_size == 3 * len(VOCABULARY) - 2
    assert tokenizer.id_to_token(1) is None
    assert tokenizer.encode("a").ids.tolist() == [vocabulary["a"]]


def test_added_token_enlarges_vocabulary(tmp_path: Path) -> None:
    size = len(VOCABULARY)
    added = [tokenizer_files.added_token("<new>", size)]
    content = tokenizer_files.document(VOCABULARY, added_tokens=added)
    tokenizer = Tokenizer(tokenizer_files.write(tmp_path / "tokenizer.json", content))
    assert (tokenizer.vocab_size, tokenizer.token_to_id("<new>")) == (size + 1, size)
    assert tokenizer.encode("a<new>").tokens == ["a", "<new>"]


def without(token: str) -> Document:
    return tokenizer_files.document([other for other in VOCABULARY if other != token])


def changed(field: str, value: Any) -> Document:
    return tokenizer_files.document(VOCABULARY) | {field: value}


def with_ids(**ids: Any) -> Document:
    content = tokenizer_files.document(VOCABULARY)
    content["model"]["vocab"].update(ids)
    return content


REFUSED: list[tuple[str, Callable[[], Any], str]] = [
    ("no [UNK]", lambda: without("[UNK]"), r"\[UNK\]"),
    ("no [CLS]", lambda: without("[CLS]"), r"\[CLS\]"),
    ("no [SEP]", lambda: without("[SEP]"), r"\[SEP\]"),
    ("no [PAD]", lambda: without("[PAD]"), r"\[PAD\]"),
    ("no tokens", lambda: tokenizer_files.document([]), "no tokens"),
    ("no model", lambda: changed("model", None), "expected an object with the model"),
    (
        "pairs of other tokens",
        lambda: changed(
            "post_processor", {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0]}
        ),
        'classification token "<s>"',
    ),
    ("repeated id", lambda: with_ids(one=900, two=900), "900"),
    ("negative id", lambda: with_ids(one=-1), "-1"),
    ("fractional id", lambda: with_ids(one=1.5), r"1\.5"),
    ("huge id", lambda: with_ids(one=2**31), str(2**31)),
    ("no vocabulary", lambda: changed("model", {"type": "WordPiece"}), "vocab"),
    ("a list", lambda: [1, 2], "tokenizer.json"),
]


@pytest.mark.parametrize(("content", "message"), [pytest.param(*row[1:], id=row[0]) for row in REFUSED])
def test_refused_tokenizer_file(tmp_path: Path, content: Callable[[], Any], message: str) -> None:
    path = tokenizer_files.write(tmp_path / "tokenizer.json", content())
    with pytest.raises(ValueError, match=message) as error:
        Tokenizer(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("name", ["tokenizer.json", "vocab.txt"])
@pytest.mark.parametrize("content", [b"", b" \n", b'{"model": {"type": "WordPi', b"\xff\xfe[\x00", b"a\nb\n"])
def test_refused_bytes(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=name):
        Tokenizer(path)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"do_lower_case": "yes"}', '{"unk_token": "<none>"}'])
def test_refused_settings(tmp_path: Path, content: str) -> None:
    directory = write_vocabulary(tmp_path, VOCABULARY)
    (directory / "tokenizer_config.json").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=r"tokenizer_config\.json|<none>"):
        Tokenizer(directory)


def test_missing_file(tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path / "tokenizer.json", tmp_path):
        with pytest.raises(FileNotFoundError) as error:
            Tokenizer(path)
        assert str(path) in str(error.value)


@pytest.mark.parametrize("threads", [0, -1, 2**20])
def test_refused_threads(threads: int) -> None:
    with pytest.raises(ValueError, match=f"threads is {threads}"):
        Tokenizer(peer.CASED, threads=threads)


@pytest.mark.parametrize("path", [None, 3, b"vocab.txt", ["vocab.txt"]])
def test_refused_path(path: Any) -> None:
    with pytest.raises(TypeError):
        Tokenizer(path)
