"""Load a question-answering checkpoint whose layers have shapes of their own, with torch and transformers.

    from modeling_spanjet import load
    model = load("directory")          # float32, for training or inference
    model.save_pretrained("another")   # what load reads, and spanjet too

Each layer gets the sizes of its weights; a product that has only a bias left adds that to every token.
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
    """Load the model of a checkpoint directory, in evaluation mode; every tensor must be there and fit."""
    path = Path(directory)
    model = AutoModelForQuestionAnswering.from_config(AutoConfig.from_pretrained(path))
    weights, names = {}, ["model.safetensors"]
    index = path / "model.safetensors.index.json"
    if index.is_file():
        names = sorted(set(json.loads(index.read_text())["weight_map"].values()))
    for name in names:
        weights.update(load_file(path / name))
    shape_layers(model, weights)
    model.load_state_dict(weights)
    return model.eval()


def shape_layers(model, weights):
    """Give each product the sizes of its weights, in place; the model's own weights are new."""
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Linear):
            _replace(model, name, _linear(weights.get(f"{name}.weight"), weights.get(f"{name}.bias")))
    for name, module in list(model.named_modules()):
        if hasattr(module, "query"):
            _shape_attention(model, name, module, weights, query="query", heads="num_attention_heads")
        elif hasattr(module, "q_lin"):
            _shape_attention(model, name, module, weights, query="q_lin", heads="n_heads")


def _linear(weight, bias):
    """Make the product that some weights fit into."""
    if weight is not None:
        return nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    return nn.Identity() if bias is None else BiasAlone(len(bias))


def _shape_attention(model, name, module, weights, *, query, heads):
    """Give attention as many heads as its queries have, or take it out."""
    weight = weights.get(f"{name}.{query}.weight")
    if weight is None:
        _replace(model, name, NoDistilAttention(module.out_lin) if query == "q_lin" else NoAttention())
        return
    setattr(module, heads, len(weight) // module.attention_head_size)
    for total in ("all_head_size", "dim"):
        if hasattr(module, total):
            setattr(module, total, len(weight))


def _replace(model, name, module):
    parent, _, last = name.rpartition(".")
    setattr(model.get_submodule(parent), last, module)


class BiasAlone(nn.Module):
    """A product without inputs: its bias, for every token."""

    def __init__(self, width):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, vectors):
        """Return the bias of shape [width], broadcast to the vectors' batch and length."""
        return self.bias.expand(*vectors.shape[:-1], -1)


class NoAttention(nn.Module):
    """Attention without heads, in BERT's layers; what it returns is not looked at."""

    def forward(self, hidden_states, *_arguments, **_named):
        """Return the vectors themselves, and no attention probabilities."""
        return hidden_states, None


class NoDistilAttention(nn.Module):
    """Attention without heads, in DistilBERT's layers."""

    def __init__(self, out_lin):
        super().__init__()
        self.out_lin = out_lin

    def forward(self, query, *_arguments, **_named):
        """Return the bias for every token, in a tuple as the layer expects it."""
        return (self.out_lin(query),)
