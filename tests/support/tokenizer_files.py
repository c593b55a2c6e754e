"""Tokenizer files for the tests: a tokenizer.json with any settings, from any list of tokens."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import texts

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = ("the", "den", "##ver", "un", "##aff", "##able", "new", "york", "##s", "ing", "##ing", "2016")


def added_token(content: str, id: int, **options: bool) -> dict[str, Any]:  # noqa: A002  (the file's own name)
    """An entry of ``added_tokens``; options: special, single_word, lstrip, rstrip, normalized."""
    options = {"special": False, "single_word": False, "lstrip": False, "rstrip": False} | options
    return {"id": id, "content": content, "normalized": options.pop("normalized", False), **options}


def document(
    vocabulary: Mapping[str, int] | Sequence[str],
    *,
    normalizer: Mapping[str, Any] | None = None,
    model: Mapping[str, Any] | None = None,
    added_tokens: Sequence[Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """The content of a tokenizer.json; ``normalizer`` and ``model`` change single settings."""
    if not isinstance(vocabulary, Mapping):
        vocabulary = {token: index for index, token in enumerate(vocabulary)}
    if added_tokens is None:
        present = [token for token in SPECIAL_TOKENS if token in vocabulary]
        added_tokens = [added_token(token, vocabulary[token], special=True) for token in present]
    settings = {"clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True}
    word_piece = {"unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": list(added_tokens),
        "normalizer": {"type": "BertNormalizer", **settings, **(normalizer or {})},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": None,
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", **word_piece, **(model or {}), "vocab": dict(vocabulary)},
    }


def write(path: Path, content: Mapping[str, Any]) -> Path:
    """Write a tokenizer.json."""
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def alphabet(characters: Iterable[str], prefix: str = "##") -> list[str]:
    """A vocabulary with a token for every character, first in a word or later.

    With it, ids show what normalisation made of a text; a real vocabulary hides most of Unicode
    behind the unknown token.
    """
    single = [*dict.fromkeys(characters)]
    tokens = [*SPECIAL_TOKENS, *WORDS, *single, *[prefix + character for character in single]]
    return list(dict.fromkeys(tokens))


def assigned(last: int = 0x10FFFF) -> list[str]:
    """Every assigned scalar value up to ``last``, private use left out."""
    unused = {"Cn", "Co"}
    return [c for c in texts.scalar_values() if ord(c) <= last and unicodedata.category(c) not in unused]
