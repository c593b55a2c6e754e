"""BERT for question answering as an OpenVINO graph (Devlin et al. 2019, arXiv 1810.04805)."""

from pathlib import Path

import numpy as np
import openvino as ov
import openvino.opset13 as ops

from spanjet.checkpoint.blocks import Blocks, LayerTensors
from spanjet.checkpoint.config import ACTIVATIONS, BertConfig
from spanjet.checkpoint.weights import Weights

__all__ = ["build_bert"]

_LAYER = LayerTensors(
    query="attention.self.query",
    key="attention.self.key",
    value="attention.self.value",
    attention_output="attention.output.dense",
    attention_norm="attention.output.LayerNorm",
    up="intermediate.dense",
    down="output.dense",
    ffn_norm="output.LayerNorm",
)
# Heads of other tasks, and a buffer that old versions of transformers saved.
_IGNORED = r"pooler\..*|cls\..*|embeddings\.position_ids"


def build_bert(config: BertConfig, path: Path) -> ov.Model:
    """The question-answering graph of a BERT checkpoint.

    Inputs, int32[batch, length], both dimensions free: ``input_ids``, ``attention_mask`` (1 for
    tokens, 0 for padding) and ``token_type_ids``. Outputs, float32[batch, length]:
    ``start_logits`` and ``end_logits``. Inference fails when ``length`` is greater than
    ``config.max_position_embeddings``; ids outside of their tables are not checked.

    Args:
        config: the checkpoint's sizes.
        path: its ``model.safetensors``.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or its tensors are not those of ``config``; the message
            names the file and the tensor.
    """
    weights = Weights(path, prefix="bert.", ignored=_IGNORED)
    blocks = Blocks(weights, layer_norm_eps=config.layer_norm_eps)
    names = ("input_ids", "attention_mask", "token_type_ids")
    inputs = [ops.parameter([-1, -1], np.int32, name=name) for name in names]
    for name, parameter in zip(names, inputs, strict=True):
        parameter.output(0).set_names({name})
    input_ids, attention_mask, token_type_ids = inputs

    vectors = _embeddings(blocks, config, input_ids, token_type_ids)
    bias = blocks.attention_bias(attention_mask, name="attention_bias")
    for index in range(config.num_hidden_layers):
        vectors = _layer(blocks, config, vectors, bias, f"encoder.layer.{index}")
    logits = blocks.linear(
        vectors, inputs=config.hidden_size, outputs=2, name="qa_outputs", tensor="qa_outputs"
    )
    weights.finish()
    return ov.Model(_results(logits), inputs, "bert-question-answering")


def _embeddings(blocks: Blocks, config: BertConfig, input_ids: ov.Node, token_type_ids: ov.Node) -> ov.Node:
    width = config.hidden_size

    def table(part: str) -> dict[str, str]:
        return {"name": f"embeddings.{part}", "tensor": f"embeddings.{part}_embeddings"}

    shape = ops.shape_of(input_ids, name="embeddings.shape")
    length = ops.gather(shape, np.array([1], np.int64), np.int64(0), name="embeddings.length")
    words = blocks.lookup(input_ids, rows=config.vocab_size, width=width, **table("word"))
    types = blocks.lookup(token_type_ids, rows=config.type_vocab_size, width=width, **table("token_type"))
    positions = blocks.positions(
        length, rows=config.max_position_embeddings, width=width, **table("position")
    )
    typed = ops.add(words, types, name="embeddings.typed")
    total = ops.add(typed, positions, name="embeddings.sum")
    return blocks.layer_norm(total, width=width, name="embeddings.norm", tensor="embeddings.LayerNorm")


def _layer(blocks: Blocks, config: BertConfig, vectors: ov.Node, bias: ov.Node, name: str) -> ov.Node:
    width = config.hidden_size
    attended = blocks.attention(
        vectors,
        bias,
        width=width,
        heads=config.num_attention_heads,
        head_size=config.head_size,
        name=f"{name}.attention",
        tensors=_LAYER,
        layer=name,
    )
    total = ops.add(attended, vectors, name=f"{name}.attention.residual")
    norm = f"{name}.{_LAYER.attention_norm}"
    vectors = blocks.layer_norm(total, width=width, name=f"{name}.attention.norm", tensor=norm)
    changed = blocks.feed_forward(
        vectors,
        width=width,
        units=config.intermediate_size,
        activation=ACTIVATIONS[config.hidden_act],
        name=f"{name}.ffn",
        tensors=_LAYER,
        layer=name,
    )
    total = ops.add(changed, vectors, name=f"{name}.ffn.residual")
    norm = f"{name}.{_LAYER.ffn_norm}"
    return blocks.layer_norm(total, width=width, name=f"{name}.ffn.norm", tensor=norm)


def _results(logits: ov.Node) -> list[ov.Node]:
    """The two columns of float32[batch, length, 2] as named outputs."""
    columns = ops.split(logits, np.int64(-1), 2, name="qa_outputs.columns")
    results = []
    for index, name in enumerate(("start_logits", "end_logits")):
        column = ops.squeeze(columns.output(index), np.array([-1], np.int64), name=name)
        column.output(0).set_names({name})
        results.append(ops.result(column, name=f"{name}.result"))
    return results
