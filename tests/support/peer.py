"""The Hugging Face ``tokenizers`` package as the oracle of tokenizing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import spanjet
from numpy.typing import NDArray
from tokenizers import Tokenizer as PeerTokenizer
from tokenizers import models, normalizers, pre_tokenizers, processors

TOKENIZERS = Path(__file__).parents[1] / "data" / "tokenizers"
UNCASED = TOKENIZERS / "bert-base-uncased"
CASED = TOKENIZERS / "bert-base-cased"
SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


class Flat(NamedTuple):
    """The tokens of many texts: text i has the rows ``indptr[i]:indptr[i + 1]``."""

    ids: NDArray[np.int32]
    offsets: NDArray[np.int32]
    indptr: NDArray[np.int64]


class Mismatch(NamedTuple):
    """One text on which the two differ: (id, start, end) of each token."""

    text: str
    ours: list[list[int]]
    theirs: list[list[int]]

    def __str__(self) -> str:
        text = self.text if len(self.text) <= 60 else self.text[:60] + "…"
        return f"{text!a}: ours {self.ours[:12]}, tokenizers {self.theirs[:12]}"


def load(path: Path, *, match_special_tokens: bool = True) -> Any:
    """The peer for a tokenizer.json, or for a directory with vocab.txt and tokenizer_config.json."""
    if path.is_dir() and (path / "tokenizer.json").exists():
        path /= "tokenizer.json"
    peer = _from_vocabulary(path) if path.is_dir() else PeerTokenizer.from_file(str(path))
    peer.no_truncation()
    peer.no_padding()
    peer.encode_special_tokens = not match_special_tokens
    return peer


def _from_vocabulary(directory: Path) -> Any:
    config = json.loads((directory / "tokenizer_config.json").read_text(encoding="utf-8"))
    peer = PeerTokenizer(
        models.WordPiece.from_file(str(directory / "vocab.txt"), unk_token=SPECIAL_TOKENS[1])
    )
    peer.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=config.get("tokenize_chinese_chars", True),
        strip_accents=config.get("strip_accents"),
        lowercase=config.get("do_lower_case", True),
    )
    peer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    sep, cls = ((token, peer.token_to_id(token) or 0) for token in ("[SEP]", "[CLS]"))
    peer.post_processor = processors.BertProcessing(sep, cls)
    peer.add_special_tokens(SPECIAL_TOKENS)
    return peer


def layout(peer: Any) -> tuple[list[int], list[int], list[int]]:
    """The special tokens of a pair: before, between and after its texts."""
    encoding = peer.encode("a", "a")
    parts: tuple[list[int], list[int], list[int]] = ([], [], [])
    texts: set[int] = set()
    for index, sequence in zip(encoding.ids, encoding.sequence_ids, strict=True):
        if sequence is None:
            parts[len(texts)].append(index)
        else:
            texts.add(sequence)
    return parts


def encode(peer: Any, texts: Sequence[str]) -> Flat:
    """Tokenize without ``[CLS]`` and ``[SEP]``.

    Where special tokens are plain text, those that a model other than BERT's spells itself are unknown.
    """
    tokens = flat(peer.encode_batch(list(texts), add_special_tokens=False))
    if peer.encode_special_tokens and not isinstance(peer.model, models.WordPiece):
        special = [index for index, token in peer.get_added_tokens_decoder().items() if token.special]
        unk = next(filter(None, map(peer.token_to_id, ("<unk>", "[UNK]"))))
        tokens.ids[np.isin(tokens.ids, special)] = unk
    return tokens


def flat(encodings: Sequence[Any]) -> Flat:
    """The ids and offsets of the peer's encodings."""
    rows = [encoding.ids for encoding in encodings]
    ids = np.fromiter(chain.from_iterable(rows), np.int32)
    offsets = [chain.from_iterable(encoding.offsets) for encoding in encodings]
    pairs = np.fromiter(chain.from_iterable(offsets), np.int32)
    indptr = np.concatenate(([0], np.cumsum([len(row) for row in rows], dtype=np.int64)))
    return Flat(ids, pairs.reshape(-1, 2), indptr)


def compare(tokenizer: spanjet.Tokenizer, peer: Any, texts: Sequence[str]) -> tuple[list[Mismatch], int]:
    """The texts whose ids or offsets differ from the peer's, and how many tokens the peer has."""
    ours, theirs = tokenizer.encode_batch(texts), encode(peer, texts)
    if (
        np.array_equal(ours.indptr, theirs.indptr)
        and np.array_equal(ours.ids, theirs.ids)
        and np.array_equal(ours.offsets, theirs.offsets)
    ):
        return [], len(theirs.ids)
    mine = Flat(ours.ids, ours.offsets, ours.indptr)
    rows = ((text, _rows(mine, index), _rows(theirs, index)) for index, text in enumerate(texts))
    return [Mismatch(*row) for row in rows if row[1] != row[2]], len(theirs.ids)


def mismatches(tokenizer: spanjet.Tokenizer, peer: Any, texts: Sequence[str]) -> list[Mismatch]:
    """The texts whose ids or offsets differ from the peer's."""
    return compare(tokenizer, peer, texts)[0]


def _rows(tokens: Flat, index: int) -> list[list[int]]:
    part = slice(tokens.indptr[index], tokens.indptr[index + 1])
    rows: list[list[int]] = np.column_stack((tokens.ids[part], tokens.offsets[part])).tolist()
    return rows


def basic_tokens(peer: Any, text: str) -> list[str]:
    """The normalised words of a text, before WordPiece."""
    normalised = peer.normalizer.normalize_str(text)
    return [word for word, _ in peer.pre_tokenizer.pre_tokenize_str(normalised)]
