"""Loads a question-answering checkpoint whose layers have shapes of their own, with torch and transformers.

    from modeling_spanjet import load
    model = load("directory")          # float32, for training or inference
    model.save_pretrained("another")   # what load reads, and spanjet too

``config.json`` says under the key ``spanjet`` how many attention heads and feed-forward units each layer has.
"""

# mypy: ignore-errors

import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from transformers import AutoConfig, AutoModelForQuestionAnswering

__all__ = ["load", "shape_layers"]


def load(directory):
    """The model of a checkpoint directory, in evaluation mode; every tensor must be there and fit."""
    path = Path(directory)
    config = AutoConfig.from_pretrained(path)
    model = AutoModelForQuestionAnswering.from_config(config)
    shape_layers(model, config.spanjet["layers"])
    weights, names = {}, ["model.safetensors"]
    index = path / "model.safetensors.index.json"
    if index.is_file():
        names = sorted(set(json.loads(index.read_text())["weight_map"].values()))
    for name in names:
        weights.update(load_file(path / name))
    model.load_state_dict(weights)
    return model.eval()


def shape_layers(model, shapes):
    """Give each layer its number of heads and units, in place; the weights are new."""
    encoder = getattr(model, model.base_model_prefix)
    if model.config.model_type == "distilbert":
        layers, shape = encoder.transformer.layer, _shape_distilbert
    else:
        layers, shape = encoder.encoder.layer, _shape_bert
    if len(layers) != len(shapes):
        raise ValueError(f"config.json has shapes of {len(shapes)} layers, the model has {len(layers)}")
    for layer, each in zip(layers, shapes, strict=True):
        shape(layer, **each)


def _shape_bert(layer, heads, units):
    attention, width = layer.attention.self, layer.output.dense.out_features
    inner = heads * attention.attention_head_size
    if heads:
        for part in ("query", "key", "value"):
            setattr(attention, part, nn.Linear(width, inner))
        attention.num_attention_heads, attention.all_head_size = heads, inner
        layer.attention.output.dense = nn.Linear(inner, width)
    else:
        layer.attention.self = NoAttention()
        layer.attention.output.dense = BiasAlone(width)
    if units:
        layer.intermediate.dense = nn.Linear(width, units)
        layer.output.dense = nn.Linear(units, width)
    else:
        layer.intermediate = nn.Identity()
        layer.output.dense = BiasAlone(width)


def _shape_distilbert(layer, heads, units):
    attention, ffn, width = layer.attention, layer.ffn, layer.ffn.lin2.out_features
    inner = heads * (attention.dim // attention.n_heads)
    if heads:
        for part in ("q_lin", "k_lin", "v_lin"):
            setattr(attention, part, nn.Linear(width, inner))
        attention.out_lin = nn.Linear(inner, width)
        attention.n_heads, attention.dim = heads, inner
    else:
        layer.attention = NoDistilAttention(width)
    if units:
        ffn.lin1, ffn.lin2 = nn.Linear(width, units), nn.Linear(units, width)
    else:
        ffn.lin1, ffn.lin2 = nn.Identity(), BiasAlone(width)


class BiasAlone(nn.Module):
    """A linear layer without inputs: its bias, for every token."""

    def __init__(self, width):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, vectors):
        """Bias of shape [width], broadcast to the vectors' batch and length."""
        return self.bias.expand(*vectors.shape[:-1], -1)


class NoAttention(nn.Module):
    """Attention without heads, in BERT's layers; what it returns is not looked at."""

    def forward(self, hidden_states, *_arguments, **_named):
        """The vectors themselves, and no attention probabilities."""
        return hidden_states, None


class NoDistilAttention(nn.Module):
    """Attention without heads, in DistilBERT's layers."""

    def __init__(self, width):
        super().__init__()
        self.out_lin = BiasAlone(width)

    def forward(self, query, *_arguments, **_named):
        """The bias for every token, in a tuple as the layer expects it."""
        return (self.out_lin(query),)
