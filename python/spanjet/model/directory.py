"""Read and write model directories: a graph with its tokenizer, configuration and card."""

import json
import os
import re
import shutil
from dataclasses import dataclass
from errno import ENOENT
from pathlib import Path
from typing import Any

from spanjet.model.card import CARD
from spanjet.model.config_json import read_json
from spanjet.model.content import check_content
from spanjet.model.exported import GRAPH, find_exported
from spanjet.runtime.openvino import ov
from spanjet.storage import staged

__all__ = [
    "BUNDLED_MODEL",
    "COMPANIONS",
    "GRAPH",
    "ModelDirectory",
    "find_tokenizer",
    "write_model_directory",
]

BUNDLED_MODEL = Path(__file__).parent / "assets" / "mpnet-small-squad2-int8"
"""Model directory of the bundled reader."""

WEIGHTS, CONFIG = "openvino_model.bin", "config.json"
_MERGES = "merges.txt"
# The last three are SentencePiece models.
_TOKENIZERS = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "sentencepiece.bpe.model",
    "spm.model",
)
#: Files that go from a checkpoint into the model directory made of it, where they exist.
COMPANIONS = (
    CONFIG,
    *_TOKENIZERS,
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    _MERGES,
    "LICENSE",
    "README.md",
)


@dataclass(frozen=True, kw_only=True)
class ModelDirectory:
    """Model directory with checked files.

    Attributes:
        path: the directory.
        graph: ``openvino_model.xml`` with ``openvino_model.bin`` beside it, or another model, see
            `find_exported`.
        tokenizer: tokenizer file, see `find_tokenizer`.
        card: ``card.json`` with the model's source and quality; None if there is none.
    """

    path: Path
    graph: Path
    tokenizer: Path
    card: dict[str, Any] | None

    @classmethod
    def read(cls, path: Path) -> "ModelDirectory":
        """Find and check the files of a model directory, without reading the weights.

        Raises:
            FileNotFoundError: a file is missing; the message names it.
            ValueError: a file is malformed or truncated; the message names it.
        """
        card = path / CARD
        graph = find_exported(path) or path / GRAPH
        if graph.suffix == ".xml":
            _check_weights(graph)
        return cls(
            path=path,
            graph=graph,
            tokenizer=find_tokenizer(path),
            card=read_json(card) if card.exists() else None,
        )


def find_tokenizer(path: Path) -> Path:
    """Find the tokenizer file of a directory.

    That is ``tokenizer.json``, or else ``vocab.txt``, or else ``vocab.json`` with ``merges.txt`` beside it,
    or else a SentencePiece model under one of its usual names.

    Raises:
        FileNotFoundError: none of them exists.
        ValueError: the directory has a model of another name instead, or something that is no tokenizer file.
    """
    for name in _TOKENIZERS:
        if os.path.lexists(path / name) and (name != "vocab.json" or (path / _MERGES).is_file()):
            check_content(path / name)
            return path / name
    for file in sorted(path.glob("*.model")):
        raise ValueError(
            f"{file}: a tokenizer's model that is not read; expected a tokenizer.json beside it, which this "
            'makes: python -c "from transformers import AutoTokenizer as A; '
            f"A.from_pretrained('{path}').save_pretrained('{path}')\""
        )
    names = [f"{name} and {_MERGES}" if name == "vocab.json" else name for name in _TOKENIZERS]
    expected = f"{', '.join(names[:-1])}, or {names[-1]}"
    raise FileNotFoundError(ENOENT, f"no tokenizer, expected {expected}", str(path))


def write_model_directory(
    path: Path,
    model: ov.Model,
    *,
    card: dict[str, Any],
    companions: dict[str, Path],
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write a model directory atomically.

    Args:
        path: directory to create; missing parents are created.
        model: the model; its float weights are stored as float16 unless it is quantized.
        card: content of ``card.json``, to which the sizes of the other files in bytes are added.
        companions: files to copy, by their names in the directory; must include ``config.json`` and a
            tokenizer's.
        overwrite: replace an existing model directory at ``path``.

    Returns:
        The written card.

    Raises:
        FileExistsError: see `spanjet.storage.check_free`.
        OSError: the directory cannot be written.
    """
    with staged(path, mark=GRAPH, overwrite=overwrite) as stage:
        ov.save_model(model, stage / GRAPH, compress_to_fp16=True)
        for name, file in companions.items():
            shutil.copyfile(file, stage / name)
        sizes = {file.name: file.stat().st_size for file in sorted(stage.iterdir())}
        card = {**card, "bytes": sizes}
        text = json.dumps(card, indent=2, ensure_ascii=False)
        (stage / CARD).write_text(f"{text}\n", encoding="utf-8")
    return card


def _check_weights(graph: Path) -> None:
    """Check that an OpenVINO model's two files exist and that the weights have the expected size."""
    weights = graph.with_suffix(".bin")
    for file in (graph, weights):
        if not os.path.lexists(file):
            raise FileNotFoundError(ENOENT, "missing from the model directory", str(file))
        check_content(file)
    expected, found = _weights_size(graph), weights.stat().st_size
    if found != expected:
        raise ValueError(
            f"{weights}: {found} bytes, expected {expected}: truncated, or of another {graph.name}"
        )


def _weights_size(graph: Path) -> int:
    """Compute the expected size of a ``.bin`` from its ``.xml``: the end of the last constant."""
    content = graph.read_bytes()
    if not content.rstrip().endswith(b"</net>"):
        raise ValueError(f"{graph}: truncated or not an OpenVINO model")
    end = 0
    for tag in re.findall(rb"<data [^>]*>", content):
        place = [re.search(rb' %s="(\d+)"' % key, tag) for key in (b"offset", b"size")]
        end = max(end, sum(int(found[1]) for found in place if found is not None))
    return end
