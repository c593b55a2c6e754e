"""Directories with a SentencePiece model in place of a tokenizer.json, as four families keep it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "golden" / "sentencepiece"
NAMES = {
    "albert": "spiece.model",
    "camembert": "sentencepiece.bpe.model",
    "deberta-v2": "spm.model",
    "xlm-roberta": "sentencepiece.bpe.model",
}
CLASSES = {
    "albert": "AlbertTokenizer",
    "camembert": "CamembertTokenizer",
    "deberta-v2": "DebertaV2Tokenizer",
    "xlm-roberta": "XLMRobertaTokenizer",
}
CASES: list[tuple[str, dict[str, Any]]] = [
    *((family, {}) for family in NAMES),
    ("albert", {"do_lower_case": False, "keep_accents": True}),
    ("deberta-v2", {"do_lower_case": True, "split_by_punct": True}),
]


def varint(value: int) -> bytes:
    low, high = value & 0x7F, value >> 7
    return bytes([low]) if not high else bytes([low | 0x80]) + varint(high)


def field(number: int, content: bytes) -> bytes:
    """A field of bytes, as Protocol Buffers write it."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def model(family: str, *, normalised: bool = False) -> bytes:
    """A family's model; a message behind it is merged with it, here its normaliser's."""
    content = (GOLDEN / family / NAMES[family]).read_bytes()
    if not normalised:
        return content
    charsmap = (ROOT / "data" / "tokenizers" / "charsmap" / "precompiled.bin").read_bytes()
    return content + field(3, field(2, charsmap))


def write(
    directory: Path, family: str, settings: dict[str, Any] | None = None, *, normalised: bool = False
) -> Path:
    """A directory with the model, ``config.json`` and ``tokenizer_config.json``; returned."""
    directory.mkdir(exist_ok=True)
    (directory / NAMES[family]).write_bytes(model(family, normalised=normalised))
    (directory / "config.json").write_text(json.dumps({"model_type": family}))
    tokenizer = {"tokenizer_class": CLASSES[family], **(settings or {})}
    (directory / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    return directory
