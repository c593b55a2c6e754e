"""Files of tokenizers other than BERT's: what is read, what is refused, and how pairs are laid out."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import peer
import pytest
import tokenizer_files
import trained_tokenizers
from spanjet import Tokenizer
from tokenizers import Tokenizer as PeerTokenizer
from tokenizers import processors

TEXTS = ["the river in 1912", "Who built  the <mask> of <s> it?", "é 東京 😀 it's", " in ", ""]


def changed(directory: Path, kind: str, edit: Callable[[Any], Any]) -> Path:
    content = trained_tokenizers.edited(kind, edit)
    return tokenizer_files.write(directory / "tokenizer.json", content)


def types_of(path: Path) -> tuple[list[int], list[int]]:
    """Token types of a pair: ours, and the peer's."""
    windows = Tokenizer(path).windows(["in the"], ["the river"])
    ours = windows.batch(np.array([0])).token_type_ids[0].tolist()
    encoding = peer.load(path).encode("in the", "the river")
    assert windows.ids.tolist() == encoding.ids
    return ours, encoding.type_ids


def template(*pair: str) -> Callable[[Any], None]:
    """Change the pairs to these tokens: ``<s>:0``, ``A:0`` …"""

    def piece(text: str) -> dict[str, Any]:
        name, _, kind = text.rpartition(":")
        field = "Sequence" if name in ("A", "B") else "SpecialToken"
        return {field: {"id": name, "type_id": int(kind)}}

    def edit(content: Any) -> None:
        tokens = {"<s>": [0], "</s>": [2], "two": [2, 0]}
        names = {0: "<s>", 2: "</s>"}
        content["post_processor"] = {
            "type": "TemplateProcessing",
            "single": [piece("A:0")],
            "pair": list(map(piece, pair)),
            "special_tokens": {
                name: {"id": name, "ids": ids, "tokens": [names[index] for index in ids]}
                for name, ids in tokens.items()
            },
        }

    return edit


LAYOUTS: dict[str, tuple[str, ...]] = {
    "types of MPNet": ("<s>:0", "A:0", "</s>:0", "</s>:0", "B:1", "</s>:1"),
    "types of Funnel": ("<s>:2", "A:0", "</s>:0", "B:1", "</s>:1"),
    "nothing between": ("<s>:0", "A:0", "B:0", "</s>:0"),
    "several at once": ("two:0", "A:0", "two:3", "B:1", "two:4", "<s>:4"),
}


@pytest.mark.parametrize("pair", LAYOUTS.values(), ids=LAYOUTS)
def test_layouts(tmp_path: Path, pair: tuple[str, ...]) -> None:
    ours, theirs = types_of(changed(tmp_path, "byte-level", template(*pair)))
    assert ours == theirs


@pytest.mark.parametrize("kind", trained_tokenizers.KINDS)
def test_layouts_of_kinds(tmp_path: Path, kind: str) -> None:
    ours, theirs = types_of(trained_tokenizers.write(tmp_path, kind))
    assert ours == theirs


def test_layout_of_word_piece(tmp_path: Path) -> None:
    """BERT's tokenizer with RoBERTa's pairs, as MPNet has it."""
    vocabulary = ["<s>", "[PAD]", "</s>", "[UNK]", "the", "in", "river"]
    content = tokenizer_files.document(vocabulary)
    content["post_processor"] = {
        "type": "RobertaProcessing",
        "sep": ["</s>", 2],
        "cls": ["<s>", 0],
        "trim_offsets": True,
        "add_prefix_space": False,
    }
    ours, theirs = types_of(tokenizer_files.write(tmp_path / "tokenizer.json", content))
    assert ours == theirs == [0] * 8


def write_mpnet(directory: Path, **files: Any) -> Path:
    """MPNet's tokenizer as its vocab.txt, with other files beside it."""
    vocabulary = json.loads(trained_tokenizers.content("mpnet"))["model"]["vocab"]
    lines = sorted(vocabulary, key=vocabulary.__getitem__)
    assert {"[CLS]", "[SEP]", "[PAD]"} < set(lines)
    (directory / "vocab.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for name, content in files.items():
        (directory / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return directory


MPNET_FILES: dict[str, dict[str, Any]] = {
    "class": {"tokenizer_config": {"tokenizer_class": "MPNetTokenizer"}},
    "fast class": {"tokenizer_config": {"tokenizer_class": "MPNetTokenizerFast", "unk_token": "[UNK]"}},
    "class before the model": {
        "tokenizer_config": {"tokenizer_class": "MPNetTokenizer"},
        "config": {"model_type": "bert"},
    },
    "model": {"config": {"model_type": "mpnet"}},
    "model and settings": {"config": {"model_type": "mpnet"}, "tokenizer_config": {"do_lower_case": True}},
}


@pytest.mark.parametrize("files", MPNET_FILES.values(), ids=MPNET_FILES)
def test_vocabulary_of_mpnet(tmp_path: Path, files: dict[str, Any]) -> None:
    tokenizer = Tokenizer(write_mpnet(tmp_path, **files), match_special_tokens=True)
    other = PeerTokenizer.from_str(trained_tokenizers.content("mpnet"))
    # Transformers makes these pairs of a vocab.txt.
    other.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s>:0 $A:0 </s>:0 </s>:0 $B:1 </s>:1",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    lines = [line for line in trained_tokenizers.random_texts(500, seed=43) if "<unk>" not in line]
    assert peer.mismatches(tokenizer, other, [*TEXTS, *lines]) == []
    special = ("cls_token_id", "pad_token_id", "sep_token_id", "unk_token_id")
    assert [getattr(tokenizer, name) for name in special] == [0, 1, 2, 7]
    windows = tokenizer.windows(["in"], ["the river"])
    pair = other.encode("in", "the river")
    assert windows.ids.tolist() == pair.ids
    assert windows.batch(np.array([0])).token_type_ids[0].tolist() == pair.type_ids


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"config": {"model_type": "bert"}},
        {"tokenizer_config": {"tokenizer_class": "BertTokenizer"}, "config": {"model_type": "mpnet"}},
    ],
    ids=["nothing", "model", "class before the model"],
)
def test_vocabulary_of_mpnet_for_another_model(tmp_path: Path, files: dict[str, Any]) -> None:
    """BERT's special tokens are in it too, and its tokens do not fit MPNet's pairs."""
    paths = [tmp_path / name for name in ("mpnet", "other")]
    for path in paths:
        path.mkdir()
    named = Tokenizer(write_mpnet(paths[0], config={"model_type": "mpnet"}))
    other = Tokenizer(write_mpnet(paths[1], **files))
    assert [other.id_to_token(index) for index in (other.cls_token_id, other.sep_token_id)] == [
        "[CLS]",
        "[SEP]",
    ]
    with pytest.raises(ValueError, match="context 0 was encoded by another tokenizer"):
        other.windows(["in"], [named.encode("the river")])


def write_bpe(directory: Path, **config: Any) -> Path:
    """A byte-level tokenizer as vocab.json, merges.txt and tokenizer_config.json."""
    model = json.loads(trained_tokenizers.content("byte-level"))
    vocabulary, merges = model["model"]["vocab"], model["model"]["merges"]
    vocabulary["<mask>"] = len(vocabulary)
    (directory / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (directory / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (directory / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return directory


@pytest.mark.parametrize("place", ["", "vocab.json"])
def test_vocabulary_and_merges(tmp_path: Path, place: str) -> None:
    tokenizer = Tokenizer(write_bpe(tmp_path) / place, match_special_tokens=True)
    other = PeerTokenizer.from_str(trained_tokenizers.content("byte-level"))
    assert peer.mismatches(tokenizer, other, [*TEXTS, *trained_tokenizers.random_texts(500, seed=41)]) == []
    special = ("cls_token_id", "pad_token_id", "sep_token_id", "unk_token_id")
    assert [getattr(tokenizer, name) for name in special] == [0, 1, 2, 3]
    windows = tokenizer.windows(["in"], ["the river"])
    assert windows.ids.tolist() == other.encode("in", "the river").ids


def test_settings_beside_vocabulary_and_merges(tmp_path: Path) -> None:
    """A space before the first word, offsets that keep their spaces, another name."""
    tokens = {"unk_token": {"content": "<pad>", "lstrip": False}, "mask_token": "the"}
    tokenizer = Tokenizer(
        write_bpe(tmp_path, add_prefix_space=True, trim_offsets=False, **tokens), match_special_tokens=True
    )
    assert tokenizer.encode("in in").tokens == ["Ġin", "Ġin"]
    assert tokenizer.encode("in in").offsets.tolist() == [[0, 2], [2, 5]]
    assert tokenizer.token_to_id("<mask>") is not None
    assert "<mask>" not in tokenizer.encode("in <mask>").tokens


REFUSED_BPE: list[tuple[str, str, str]] = [
    ("merges.txt", "#version: 0.2\na b c\n", r"merges\.txt: has \"a b c\" in line 2, expected two tokens"),
    ("merges.txt", "zz yy\n", "merges|Token"),
    ("vocab.json", '{"a": -1}', r"vocab\.json"),
    ("vocab.json", '{"a": 0}', r"vocab\.json: is no tokenizer that can be read: Token .* out of vocabulary"),
    ("tokenizer_config.json", '{"cls_token": "<none>"}', 'classification token "<none>"'),
    ("added_tokens.json", '{"covid": 900}', r'added_tokens\.json: gives "covid" the id 900, expected 601'),
    ("added_tokens.json", '{"covid": 7}', r'json: gives "covid" the id 7, expected another: it is that of'),
    (
        "tokenizer_config.json",
        '{"added_tokens_decoder": {"900": {"content": "covid"}}}',
        r'tokenizer_config\.json: gives "covid" the id 900, expected 601',
    ),
]


@pytest.mark.parametrize(("name", "content", "message"), REFUSED_BPE)
def test_refused_vocabulary_and_merges(tmp_path: Path, name: str, content: str, message: str) -> None:
    (write_bpe(tmp_path) / name).write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        Tokenizer(tmp_path)


def test_missing_merges(tmp_path: Path) -> None:
    (write_bpe(tmp_path) / "merges.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"merges\.txt"):
        Tokenizer(tmp_path)


def without(token: str) -> Callable[[Any], None]:
    def edit(content: Any) -> None:
        content["added_tokens"] = [added for added in content["added_tokens"] if added["content"] != token]
        del content["model"]["vocab"][token]

    return edit


REFUSED: list[tuple[str, Callable[[Any], Any], str]] = [
    ("no padding", without("<pad>"), r"padding token \"\[PAD\]\""),
    ("no <s>", without("<s>"), 'classification token "<s>"'),
    (
        "another id",
        lambda content: content["post_processor"].update(cls=["<s>", 3]),
        r"<s>.*id 0.*expected 3",
    ),
    ("one text", template("<s>:0", "A:0", "</s>:0"), "post_processor does not make pairs"),
    ("twice", template("<s>:0", "A:0", "</s>:0", "A:0", "</s>:0"), "post_processor does not make pairs"),
    (
        "wrong order",
        template("<s>:0", "B:0", "</s>:0", "A:0", "</s>:0"),
        "post_processor does not make pairs",
    ),
    ("no opening", template("A:0", "</s>:0", "B:0", "</s>:0"), "post_processor does not make pairs"),
    ("no end", template("<s>:0", "A:0", "</s>:0", "B:0"), "post_processor does not make pairs"),
    ("mixed types", template("<s>:0", "A:0", "</s>:0", "</s>:1", "B:0", "</s>:1"), "does not make pairs"),
    ("unknown special", template("<s>:0", "A:0", "what:0", "B:0", "</s>:0"), "Special|special|pairs"),
    (
        "bytes only",
        lambda content: content.update(post_processor=content["pre_tokenizer"]),
        "does not make pairs",
    ),
    ("dropout", lambda content: content["model"].update(dropout=0.1), r"dropout 0\.1.*random"),
    ("another model", lambda content: content["model"].update(type="Magic"), "its model is of no type that"),
    (
        "another step",
        lambda content: content.update(pre_tokenizer={}),
        "its pre_tokenizer is of no type",
    ),
    ("another normalizer", lambda content: content.update(normalizer=5), "its normalizer is of no type that"),
    (
        "added text",
        lambda content: content.update(added_tokens=["x"]),
        "expected an object with an added",
    ),
    ("no object", lambda content: content.update(model=5), "expected an object with the model"),
    ("broken merges", lambda content: content["model"].update(merges=[["q", "zzz"]]), "can be read"),
    ("huge id", lambda content: content["model"]["vocab"].update(zzz=2**31), "id 2147483648"),
    ("no vocabulary", lambda content: content["model"].pop("vocab"), "can be read"),
]


@pytest.mark.parametrize(("edit", "message"), [pytest.param(*row[1:], id=row[0]) for row in REFUSED])
def test_refused(tmp_path: Path, edit: Callable[[Any], Any], message: str) -> None:
    path = changed(tmp_path, "byte-level", edit)
    with pytest.raises(ValueError, match=message) as error:
        Tokenizer(path)
    assert str(path) in str(error.value)
    assert not any(word in str(error.value) for word in ("enum", "struct", "Wrapper", "Untagged", "\n"))


def nodes(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a document, but the single tokens."""
    found: list[tuple[Any, Any]] = []
    places = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in places:
        found.append((value, key))
        if key not in ("vocab", "merges"):
            found += nodes(item)
    return found


@pytest.mark.parametrize("kind", ["byte-level", "unigram-precompiled", "byte-fallback", "word-piece"])
def test_any_damage_is_an_error_or_a_tokenizer(tmp_path: Path, kind: str) -> None:
    rng = random.Random(42)
    values: list[Any] = [None, -1, 0, 2**40, 1.5, "", "x", "\u2581", [], {}, [[]], {"type": "x"}, True]
    outcomes = []
    for _ in range(250):
        content = json.loads(trained_tokenizers.content(kind))
        holder, key = rng.choice(nodes(content))
        holder[key] = rng.choice(values)
        path = tokenizer_files.write(tmp_path / "tokenizer.json", content)
        try:
            tokenizer = Tokenizer(path)
            offsets = tokenizer.encode_batch(TEXTS)
            tokenizer.windows(["the"], ["river"], max_length=40)
        except ValueError as error:
            outcomes.append(str(error))
        else:
            assert all((one.offsets <= len(one.text)).all() for one in offsets)
            outcomes.append("")
    assert 0 < outcomes.count("") < len(outcomes)
