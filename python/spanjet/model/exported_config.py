"""Find the limits of an exported model of any family: in the files beside it, or in its graph."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from spanjet.model.card import CARD
from spanjet.model.config_json import Fields, is_number_from_one, read_json
from spanjet.model.graph.architecture import Architecture
from spanjet.model.graph.architectures import ARCHITECTURES, find_model_type
from spanjet.model.graph.input_layout import InputLayout
from spanjet.runtime.openvino import ov

__all__ = ["ExportedConfig", "read_exported_config"]

_CONFIG, _TOKENIZER_CONFIG, _TOKENIZER = "config.json", "tokenizer_config.json", "tokenizer.json"
_UNKNOWN = "unknown"
# Families without an architecture here whose positions begin after the padding id, as RoBERTa's do.
_AFTER_PADDING = {
    "data2vec-text",
    "ibert",
    "longformer",
    "luke",
    "roberta-prelayernorm",
    "xlm-roberta-xl",
    "xmod",
}
_POSITIONS = ("max_position_embeddings", "n_positions", "max_encoder_position_embeddings")
# Tokenizers without a limit state one of about 10^30; no window is longer than this.
_MOST_TOKENS = 1 << 20
# A shorter row of numbers may be anything.
_LEAST_POSITIONS = 16
# What may lie between an input and the lookup that it is for, and between a table and its lookup.
_INDEX_VIEWS = {"Convert", "Reshape", "Unsqueeze", "Squeeze"}
_TABLE_VIEWS = {"Convert", "Multiply", "Subtract", "Reshape"}


@dataclass(frozen=True, kw_only=True)
class ExportedConfig:
    """Limits and input layout of an exported model.

    Attributes:
        model_type: family by its ``config.json``; ``unknown`` without one.
        max_length: maximum length of a sequence in tokens.
        vocab_size: number of rows of the embedding table.
        layout: layout of the inputs, token types included.
    """

    model_type: str
    max_length: int
    vocab_size: int
    layout: InputLayout


def read_exported_config(directory: Path, tokenizer: Path, model: ov.Model) -> ExportedConfig:
    """Find the limits of a model that was exported to a directory.

    ``config.json`` is read as that of a checkpoint if its ``model_type`` is in `ARCHITECTURES`. Of other
    families, and without that file, the vocabulary and the positions come from ``config.json``, else from the
    graph's tables and ``model_max_length`` of ``tokenizer_config.json``; and how a question and a context
    become one sequence must be in ``tokenizer.json``.

    Args:
        directory: the directory.
        tokenizer: its tokenizer file.
        model: the model, see `spanjet.model.exported.read_exported`.

    Raises:
        ValueError: a value cannot be used, or one that is needed is nowhere; the message names the file, the
            key, what was found and what was expected.
    """
    path, types = directory / _CONFIG, any("token_type_ids" in port.get_names() for port in model.inputs)
    # A directory with a card was written by spanjet, with its configuration.
    is_alone = not path.exists() and not (directory / CARD).exists()
    fields = Fields(path, {}) if is_alone else find_model_type(Fields.read(path))
    family = fields.get("model_type", _UNKNOWN)
    if not isinstance(family, str):
        raise fields.error("model_type", "a string")
    if family in ARCHITECTURES:
        config: Architecture = ARCHITECTURES[family].read(fields)
        return ExportedConfig(
            model_type=family,
            max_length=config.max_length,
            vocab_size=min(config.vocab_size, _looked_up_rows(model) or config.vocab_size),
            layout=replace(config.layout, token_types=types),
        )
    _check_pairs(tokenizer, family)
    padding = fields.count("pad_token_id", default=0, least=0)
    first = padding + 1 if family in _AFTER_PADDING else 0
    return ExportedConfig(
        model_type=family,
        max_length=_max_length(directory, fields, model, first),
        vocab_size=_vocab_size(fields, model),
        layout=InputLayout(token_types=types, pad_token_id=padding, first_position=first),
    )


def _check_pairs(tokenizer: Path, family: str) -> None:
    """Check that the tokenizer's file says how pairs are made: nothing else does for an unknown family."""
    expected = (
        'expected a tokenizer.json with a "post_processor", for how a question and a context become one '
        f"sequence is not known of the family {family!r}"
    )
    if tokenizer.name != _TOKENIZER:
        raise ValueError(f"{tokenizer}: the tokenizer's only file, {expected}")
    if not read_json(tokenizer, limited=False).get("post_processor"):
        raise ValueError(f'{tokenizer}: no "post_processor", {expected}')


def _max_length(directory: Path, fields: Fields, model: ov.Model, first: int) -> int:
    """Find the maximum length: the least of those that the configurations and the graph state."""
    stated = [fields.count(key) - first for key in _POSITIONS if fields.get(key) is not None][:1]
    path = directory / _TOKENIZER_CONFIG
    if path.exists():
        value: Any = read_json(path).get("model_max_length")
        if is_number_from_one(value) and value < _MOST_TOKENS:
            stated.append(int(value))
    stated += _position_counts(model)
    if not stated:
        names = " or ".join(f'"{key}"' for key in _POSITIONS)
        raise ValueError(
            f'{directory}: no maximum length, expected {names} in {_CONFIG}, or "model_max_length" in '
            f"{_TOKENIZER_CONFIG}"
        )
    if min(stated) < 1:
        raise fields.error(
            next(key for key in _POSITIONS if fields.get(key) is not None), f"more than {first}"
        )
    return min(stated)


def _position_counts(model: ov.Model) -> list[int]:
    """List the lengths of the rows 0, 1, 2 … in the graph, of which it takes as many positions as needed."""
    found = []
    for node in model.get_ordered_ops():
        if node.get_type_name() != "Constant" or node.get_element_type().to_string() not in ("i32", "i64"):
            continue
        shape = list(node.get_output_shape(0))
        if len(shape) == 2 and shape[0] == 1 and shape[1] >= _LEAST_POSITIONS:
            values = node.data.reshape(-1)
            if np.array_equal(values, np.arange(len(values))):
                found.append(len(values))
    return found


def _vocab_size(fields: Fields, model: ov.Model) -> int:
    """Find the number of rows of the embedding table, in the graph and in ``config.json``.

    Where both have it, the lesser counts: tables are padded to round sizes, and end with their last row.
    """
    rows = _looked_up_rows(model)
    if rows is None:
        return fields.count("vocab_size")
    return rows if fields.get("vocab_size") is None else min(rows, fields.count("vocab_size"))


def _looked_up_rows(model: ov.Model) -> int | None:
    """Find the table that ``input_ids`` is looked up in; return its number of rows, or None."""
    ports = [port for port in model.inputs if "input_ids" in port.get_names()]
    left = [target for port in ports for target in port.get_node().output(0).get_target_inputs()]
    while left:
        target = left.pop(0)
        node = target.get_node()
        if node.get_type_name() == "Gather" and target.get_index() == 1:
            table = node.input_value(0).get_node()
            while table.get_type_name() in _TABLE_VIEWS:
                table = table.input_value(0).get_node()
            shape = table.get_output_partial_shape(0)
            if table.get_type_name() == "Constant" and shape.rank.get_length() > 1:
                return int(shape[0].get_length())
        elif node.get_type_name() in _INDEX_VIEWS:
            left.extend(node.output(0).get_target_inputs())
    return None
