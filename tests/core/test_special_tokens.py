"""Files beside a vocabulary: special and added tokens, settings that disagree, and wrong content."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import peer
import pytest
import tokenizer_files
import trained_tokenizers
from spanjet import Reader, Tokenizer
from spanjet.cli import app
from tokenizers import AddedToken
from typer.testing import CliRunner

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "covid", "-", "19"]
COVID = {"content": "covid-19", "lstrip": False, "rstrip": False, "single_word": False}
TEXTS = ["covid-19 covid", "Covid-19-19", "xcovid-19y", "[SEP] covid -19", "<ent>covid-19<ent>", ""]


def write(directory: Path, files: dict[str, Any], tokens: list[str] | None = None) -> Path:
    """A directory with a vocab.txt and files beside it."""
    lines = VOCABULARY if tokens is None else tokens
    (directory / "vocab.txt").write_text("".join(f"{token}\n" for token in lines), encoding="utf-8")
    for name, content in files.items():
        (directory / name).write_text(json.dumps(content), encoding="utf-8")
    return directory


ADDED: dict[str, tuple[dict[str, Any], list[AddedToken]]] = {
    "added_tokens.json": (
        {"added_tokens.json": {"covid-19": 8}},
        [AddedToken("covid-19", normalized=True)],
    ),
    "decoder": (
        {"tokenizer_config.json": {"added_tokens_decoder": {"8": {**COVID, "normalized": True}}}},
        [AddedToken("covid-19", normalized=True)],
    ),
    "decoder, as it stands": (
        {
            "tokenizer_config.json": {
                "added_tokens_decoder": {"8": {**COVID, "single_word": True, "normalized": False}}
            }
        },
        [AddedToken("covid-19", normalized=False, single_word=True)],
    ),
    "decoder before the older files": (
        {
            "tokenizer_config.json": {"added_tokens_decoder": {"8": {"content": "covid-19"}}},
            "added_tokens.json": {"-19": 8},
            "special_tokens_map.json": {"cls_token": "no such token"},
        },
        [AddedToken("covid-19", normalized=True)],
    ),
    "special by the map": (
        {
            "added_tokens.json": {"<ent>": 8, "covid-19": 9},
            "special_tokens_map.json": {"additional_special_tokens": ["<ent>", {"content": "19"}]},
        },
        [
            AddedToken("<ent>", special=True, normalized=False),
            AddedToken("covid-19", normalized=True),
            AddedToken("19", special=True, normalized=False),
        ],
    ),
    "special by the settings": (
        {
            "added_tokens.json": {"<ent>": 8},
            "tokenizer_config.json": {"additional_special_tokens": ["<ent>"], "sep_token": "[SEP]"},
        },
        [AddedToken("<ent>", special=True, normalized=False)],
    ),
}


@pytest.mark.parametrize("match", [False, True])
@pytest.mark.parametrize(("files", "tokens"), ADDED.values(), ids=ADDED)
def test_added_tokens_beside_a_vocabulary(
    tmp_path: Path, files: dict[str, Any], tokens: list[AddedToken], match: bool
) -> None:
    write(tmp_path, {"tokenizer_config.json": {}, **files})
    other = peer.load(tmp_path, match_special_tokens=match)
    for token in tokens:
        (other.add_special_tokens if token.special else other.add_tokens)([token])
    assert peer.mismatches(Tokenizer(tmp_path, match_special_tokens=match), other, TEXTS) == []


def test_an_added_token_of_the_vocabulary_keeps_its_id(tmp_path: Path) -> None:
    files = {"added_tokens.json": {"co": 12, "covid-19": 5}}
    tokenizer = Tokenizer(write(tmp_path, files, [*VOCABULARY[:5], "covid-19", "co", "##d", "d"]))
    assert (tokenizer.token_to_id("co"), tokenizer.vocab_size) == (6, 9)
    assert tokenizer.encode("cod covid-19").tokens == ["co", "d", "covid-19"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "added_tokens.json",
            {"x": 5},
            r"\.json: gives \"x\" the id 5, expected another: .* that of \"co",
        ),
        (
            "added_tokens.json",
            {"x": 9, "y": 9},
            r"gives \"y\" the id 9, expected another: it is that of",
        ),
        (
            "added_tokens.json",
            {"x": 2**31},
            r"s\.json: gives \"x\" the id 2147483648, expected at most",
        ),
        ("added_tokens.json", {"x": -1}, r"added_tokens\.json: is not what was expected: .*`-1`"),
        ("added_tokens.json", ["x"], r"added_tokens\.json: is not what was expected: .*expected a map"),
        ("tokenizer_config.json", {"added_tokens_decoder": {"8": "x"}}, r"expected an object with an added"),
        (
            "tokenizer_config.json",
            {"added_tokens_decoder": {"x": COVID}},
            r"config\.json: is not what was",
        ),
        (
            "special_tokens_map.json",
            {"cls_token": 3},
            r"map\.json: .* a token, or an object",
        ),
        ("special_tokens_map.json", {"cls_token": "<s>"}, r"lacks the classification token \"<s>\""),
    ],
)
def test_refused_beside_a_vocabulary(tmp_path: Path, name: str, content: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        Tokenizer(write(tmp_path, {name: content}))
    assert not any(word in str(error.value) for word in ("enum", "struct", "Field", "\n"))


@pytest.mark.parametrize("as_object", [False, True])
def test_special_tokens_of_the_map(tmp_path: Path, as_object: bool) -> None:
    names = {"unk_token": "<unk>", "cls_token": "<s>", "sep_token": "</s>", "pad_token": "<pad>"}
    given = {key: {"content": name} if as_object else name for key, name in names.items()}
    files = {"special_tokens_map.json": given, "tokenizer_config.json": {"cls_token": "[CLS]"}}
    tokenizer = Tokenizer(write(tmp_path, files, [*names.values(), "a"]), match_special_tokens=True)
    special = [tokenizer.unk_token_id, tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id]
    assert special == [0, 1, 2, 3]
    assert tokenizer.encode("a</s>zz").ids.tolist() == [4, 2, 0]


def write_both(directory: Path, normalizer: dict[str, Any], config: dict[str, Any]) -> Path:
    content = tokenizer_files.document(VOCABULARY, normalizer=normalizer)
    tokenizer_files.write(directory / "tokenizer.json", content)
    (directory / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return directory


def warned(path: Path) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Tokenizer(path)
    assert all(Path(each.filename) == Path(__file__) and each.category is UserWarning for each in caught)
    return [str(each.message) for each in caught]


CASES = "says to lower-case texts", "says not to lower-case texts"
ACCENTS = "says to strip accents", "says not to strip accents"
SETTINGS: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    ({}, {"do_lower_case": True}, []),
    ({}, {"do_lower_case": True, "strip_accents": True}, []),
    ({}, {"model_max_length": 512}, []),
    ({}, {"do_lower_case": False, "strip_accents": True}, [CASES[0]]),
    ({}, {"do_lower_case": False}, [CASES[0], ACCENTS[0]]),
    ({"lowercase": False}, {"do_lower_case": True, "strip_accents": False}, [CASES[1]]),
    ({"lowercase": False}, {"do_lower_case": False}, []),
    ({"strip_accents": False}, {"strip_accents": True}, [ACCENTS[1]]),
    ({"strip_accents": False}, {"do_lower_case": True, "strip_accents": None}, [ACCENTS[1]]),
    ({"strip_accents": False}, {"do_lower_case": True, "strip_accents": False}, []),
]


@pytest.mark.parametrize(("normalizer", "config", "expected"), SETTINGS)
def test_files_that_disagree_are_warned_of(
    tmp_path: Path, normalizer: dict[str, Any], config: dict[str, Any], expected: list[str]
) -> None:
    found = warned(write_both(tmp_path, normalizer, config))
    assert [message.split(": ")[1].split(",")[0] for message in found] == expected
    for message in found:
        assert str(tmp_path / "tokenizer.json") in message
        assert str(tmp_path / "tokenizer_config.json") in message


def test_files_of_other_kinds_that_disagree_are_warned_of(tmp_path: Path) -> None:
    path = trained_tokenizers.write(tmp_path, "word-piece")
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false, "strip_accents": false}')
    (message,) = warned(path)
    assert CASES[0] in message
    trained_tokenizers.write(tmp_path, "byte-level")
    assert warned(path) == []


@pytest.mark.filterwarnings("default::UserWarning")
def test_the_command_prints_a_disagreement_in_a_line(tmp_path: Path) -> None:
    golden = Path(__file__).parents[1] / "golden" / "tiny-bert"
    for file in golden.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    settings = json.loads((golden / "tokenizer_config.json").read_text(encoding="utf-8"))
    settings["do_lower_case"] = not settings.get("do_lower_case", True)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    result = CliRunner().invoke(app, ["ask", "Who?", "Clara.", "--model", str(tmp_path)])
    assert result.exit_code == 0
    lines = result.stderr.splitlines()
    assert lines
    assert all(line.startswith(f"spanjet: {tmp_path}/tokenizer.json: says ") for line in lines)
    with pytest.warns(UserWarning, match=r"the former is followed, expected the two to agree"):
        Reader(tmp_path)


WRONG = {
    "object": ('{"a": 1}', r"is JSON, expected a vocabulary with a token in each line"),
    "many lines": (json.dumps(dict.fromkeys("abcdef", 1), indent=1), r"is JSON, expected a vocabulary"),
    "list": ('["[PAD]", "[UNK]"]', r"is JSON, expected a vocabulary"),
    "cut off": ('{"model": {"vocab": {"[PAD]": 0, "[UN', r"is JSON, expected a vocabulary"),
    "Git LFS": (
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        r"is a Git LFS pointer",
    ),
    "web page": ("<!DOCTYPE html>\n<html><body>404</body></html>\n", r"is a web page"),
    "counts": (
        "[PAD] 0\n[UNK] 1\n",
        r"lacks the unknown token .*2 tokens, of which \"\[PAD\] 0\" is",
    ),
}


@pytest.mark.parametrize(("content", "message"), WRONG.values(), ids=WRONG)
def test_the_wrong_file_in_place_of_a_vocabulary(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "vocab.txt").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=message) as error:
        Tokenizer(tmp_path)
    assert str(error.value).startswith(f"{tmp_path}/vocab.txt: ")


@pytest.mark.parametrize("name", ["vocab.txt", "tokenizer.json", "vocab.json"])
@pytest.mark.parametrize(("encoding", "message"), [("utf-16", "is UTF-16"), ("cp1252", "not UTF-8 at byte")])
def test_another_encoding_is_named(tmp_path: Path, name: str, encoding: str, message: str) -> None:
    (tmp_path / name).write_text("[PAD]\né\n", encoding=encoding)
    with pytest.raises(ValueError, match=message):
        Tokenizer(tmp_path / name)


def test_a_byte_order_mark_is_no_part_of_a_token(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("\n".join(VOCABULARY), encoding="utf-8-sig")
    assert Tokenizer(tmp_path).pad_token_id == 0
    content = json.dumps(tokenizer_files.document(VOCABULARY))
    (tmp_path / "tokenizer.json").write_text(content, encoding="utf-8-sig")
    assert Tokenizer(tmp_path).encode("covid").ids.tolist() == [5]


PADDINGS = {"[PAD]": 2, "<|padding|>": 1}
DECODER: dict[str, Any] = {"added_tokens_decoder": {}}
CONFIG, MAP = "tokenizer_config.json", "special_tokens_map.json"


@pytest.mark.parametrize(
    ("files", "padding", "expected"),
    [
        ({}, None, "[PAD]"),
        ({CONFIG: {"pad_token": "<|padding|>"}}, None, "<|padding|>"),
        ({CONFIG: {"pad_token": {"content": "<|padding|>", "lstrip": False}}}, None, "<|padding|>"),
        ({CONFIG: {"pad_token": None}}, None, "[PAD]"),
        ({CONFIG: {"pad_token": "<|padding|>"}}, "[PAD]", "<|padding|>"),
        ({MAP: {"pad_token": "<|padding|>"}}, None, "<|padding|>"),
        ({MAP: {"pad_token": "<|padding|>"}, CONFIG: {"pad_token": "[PAD]"}}, None, "<|padding|>"),
        ({MAP: {"pad_token": "<|padding|>"}, CONFIG: {"pad_token": "[PAD]", **DECODER}}, None, "[PAD]"),
        ({}, "<|padding|>", "<|padding|>"),
        # A token that the vocabulary lacks would have an id beyond the model's.
        ({CONFIG: {"pad_token": "<none>"}}, None, "[PAD]"),
        ({CONFIG: {"pad_token": "<none>"}}, "<|padding|>", "<|padding|>"),
    ],
)
@pytest.mark.parametrize("kind", ["modernbert", "bert"])
def test_padding_beside_a_tokenizer(
    tmp_path: Path, kind: str, files: dict[str, Any], padding: str | None, expected: str
) -> None:
    """The files beside it come first, then its own padding, then the token with the usual name."""
    if kind == "bert":
        tokens = ["[UNK]", "<|padding|>", "[PAD]", "[CLS]", "[SEP]", "covid"]
        added = [
            tokenizer_files.added_token(token, place, special=True) for place, token in enumerate(tokens[:5])
        ]
        content = tokenizer_files.document(tokens, added_tokens=added)
    else:
        content = json.loads(trained_tokenizers.content(kind))
    if padding is not None:
        settings = {"strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": None}
        token = {"pad_id": PADDINGS[padding], "pad_type_id": 0, "pad_token": padding}
        content["padding"] = {**settings, **token}
    tokenizer_files.write(tmp_path / "tokenizer.json", content)
    for name, values in files.items():
        (tmp_path / name).write_text(json.dumps(values))
    assert Tokenizer(tmp_path).pad_token_id == PADDINGS[expected]


@pytest.mark.parametrize("name", [CONFIG, MAP])
@pytest.mark.parametrize("value", [False, 3, [], {"id": 1}])
def test_a_padding_token_that_is_none(tmp_path: Path, name: str, value: Any) -> None:
    trained_tokenizers.write(tmp_path, "modernbert")
    (tmp_path / name).write_text(json.dumps({"pad_token": value}))
    with pytest.raises(ValueError, match=rf"{name}: is not what was expected: .*a token, or an object"):
        Tokenizer(tmp_path)
