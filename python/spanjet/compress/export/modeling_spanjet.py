"""Load a question-answering checkpoint whose layers differ in shape, with torch and transformers.

    from modeling_spanjet import load
    model = load("directory")          # float32, for training or inference
    model.save_pretrained("another")   # readable by load and by spanjet

Each layer gets the shapes of its weights; a linear layer that only has a bias adds it to every token, and a
layer of MPNet with fewer heads has biases by distance of its own.
"""

# mypy: ignore-errors

import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from transformers import AutoConfig, AutoModelForQuestionAnswering
from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

__all__ = ["load", "shape_layers"]

# The table of biases by distance of an attention layer of MPNet, beside its linear layers in "attn".
_RELATIVE_BIAS = "relative_attention_bias"


def load(directory):
    """Load the model of a checkpoint directory in evaluation mode; every tensor must exist and fit."""
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
    """Resize each linear layer to the shape of its weights, in place; weights are not loaded yet."""
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Linear):
            _replace(model, name, _linear(weights.get(f"{name}.weight"), weights.get(f"{name}.bias")))
    for name, module in list(model.named_modules()):
        if hasattr(module, "query"):
            _shape_attention(model, name, module, weights, query="query", heads="num_attention_heads")
        elif hasattr(module, "q_lin"):
            _shape_attention(model, name, module, weights, query="q_lin", heads="n_heads")
        elif hasattr(module, "attn"):
            attention = f"{name}.attn"
            _shape_attention(model, attention, module.attn, weights, query="q", heads="num_attention_heads")
            _add_relative_bias(module, weights.get(f"{name}.{_RELATIVE_BIAS}.weight"))


def _linear(weight, bias):
    """Create the linear layer for a weight and a bias; either may be None."""
    if weight is not None:
        return nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    return nn.Identity() if bias is None else BiasAlone(len(bias))


def _shape_attention(model, name, module, weights, *, query, heads):
    """Set the number of heads of an attention layer, or replace it if it has none."""
    weight = weights.get(f"{name}.{query}.weight")
    if weight is None:
        output = {"q_lin": "out_lin", "q": "o"}.get(query)
        _replace(model, name, OutputAlone(output, getattr(module, output)) if output else NoAttention())
        return
    setattr(module, heads, len(weight) // module.attention_head_size)
    for total in ("all_head_size", "dim"):
        if hasattr(module, total):
            setattr(module, total, len(weight))


def _add_relative_bias(attention, table):
    """Give an attention layer of MPNet its own table of biases, if there is one, instead of the encoder's."""
    if table is not None:
        attention.add_module(_RELATIVE_BIAS, nn.Embedding(*table.shape))
        attention.register_forward_pre_hook(_own_position_bias, with_kwargs=True)


def _own_position_bias(attention, arguments, named):
    """Replace the encoder's biases among the arguments of an attention layer: [1, heads, length, length]."""
    places = torch.arange(arguments[0].shape[1], device=arguments[0].device)
    buckets = MPNetEncoder.relative_position_bucket(places[None, :] - places[:, None])
    bias = getattr(attention, _RELATIVE_BIAS)(buckets).permute(2, 0, 1)[None]
    return arguments, {**named, "position_bias": bias}


def _replace(model, name, module):
    parent, _, last = name.rpartition(".")
    setattr(model.get_submodule(parent), last, module)


class BiasAlone(nn.Module):
    """Linear layer without inputs: its bias, for every token."""

    def __init__(self, width):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, vectors):
        """Return the bias, broadcast to the batch and length of the hidden states."""
        return self.bias.expand(*vectors.shape[:-1], -1)


class NoAttention(nn.Module):
    """Attention without heads in BERT's layers; the output is not used."""

    def forward(self, hidden_states, *_arguments, **_named):
        """Return the hidden states unchanged, and no attention probabilities."""
        return hidden_states, None


class OutputAlone(nn.Module):
    """Attention without heads in DistilBERT's and MPNet's layers: only the output layer, by its name."""

    def __init__(self, name, output):
        super().__init__()
        self.add_module(name, output)

    def forward(self, *arguments, **named):
        """Return the output bias for every token, in a tuple as the layer expects it."""
        (output,) = self.children()
        # MPNet gives the hidden states in the first place, DistilBERT by name.
        return (output(arguments[0] if arguments else named["query"]),)
