"""Read and write checkpoints that torch trains and spanjet reads.

    python -m recipes.checkpoint STATE START --out DIR

writes the weights of a run's state, finished or not, as a checkpoint in FP16: to bring home or to start from.
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from recipes.examples import Layout
from recipes.model import LayerSize, Reader, Shape

__all__ = ["layout_of", "load_reader", "read_shape", "save_checkpoint"]


def _names(shape: Shape, layer: int) -> dict[str, list[str]]:
    """Map our modules of a layer to the checkpoint's, several where they are joined."""
    base = f"{'bert' if shape.family == 'bert' else 'mpnet'}.encoder.layer.{layer}."
    if shape.family == "bert":
        attention = [f"{base}attention.self.{name}" for name in ("query", "key", "value")]
        rest = {
            "attention_output": f"{base}attention.output.dense",
            "attention_norm": f"{base}attention.output.LayerNorm",
        }
    else:
        attention = [f"{base}attention.attn.{name}" for name in ("q", "k", "v")]
        rest = {"attention_output": f"{base}attention.attn.o", "attention_norm": f"{base}attention.LayerNorm"}
    rest |= {
        "inner": f"{base}intermediate.dense",
        "outer": f"{base}output.dense",
        "norm": f"{base}output.LayerNorm",
    }
    names = {f"layers.{layer}.{ours}": [theirs] for ours, theirs in rest.items()}
    return {f"layers.{layer}.qkv": attention} | names


def checkpoint_names(shape: Shape) -> dict[str, list[str]]:
    """List the checkpoint's tensors that make up each of our parameters."""
    prefix = "bert" if shape.family == "bert" else "mpnet"
    names = {
        "words.weight": [f"{prefix}.embeddings.word_embeddings.weight"],
        "positions.weight": [f"{prefix}.embeddings.position_embeddings.weight"],
    }
    if shape.types:
        names["types.weight"] = [f"{prefix}.embeddings.token_type_embeddings.weight"]
    modules = {"embedding_norm": [f"{prefix}.embeddings.LayerNorm"], "answer": ["qa_outputs"]}
    table = "relative_attention_bias.weight"
    if shape.buckets:
        names["relative.weight"] = [f"{prefix}.encoder.{table}"]
    for layer in range(shape.layers):
        modules |= _names(shape, layer)
        if shape.buckets and not shape.shares_biases(layer):
            own = f"{prefix}.encoder.layer.{layer}.attention.{table}"
            names[f"layers.{layer}.relative.weight"] = [own]
    for ours, theirs in modules.items():
        for kind in ("weight", "bias"):
            names[f"{ours}.{kind}"] = [f"{name}.{kind}" for name in theirs]
    return names


def read_config(directory: Path) -> dict[str, Any]:
    """Read the config.json of a checkpoint."""
    config: dict[str, Any] = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    return config


def read_shape(directory: Path) -> Shape:
    """Read the sizes of a checkpoint's network.

    Raises:
        ValueError: its config.json states no network that can be trained here; the message names the file.
    """
    try:
        return Shape.of(read_config(directory))
    except ValueError as error:
        raise ValueError(f"{directory / 'config.json'}: {error}") from error


def load_reader(directory: Path, *, dtype: torch.dtype = torch.bfloat16, fused: bool = False) -> Reader:
    """Read start weights; an answer head that they lack is drawn anew.

    Args:
        directory: checkpoint.
        dtype: see `Reader`.
        fused: see `Reader`.

    Raises:
        ValueError: a tensor is missing, with its name.
    """
    shape = read_shape(directory)
    reader = Reader(shape, dtype=dtype, fused=fused)
    tensors = load_file(directory / "model.safetensors")
    state = reader.state_dict()
    for ours, theirs in checkpoint_names(shape).items():
        if theirs[0].startswith("qa_outputs") and theirs[0] not in tensors:
            continue
        prefix = "bert." if shape.family == "bert" else "mpnet."
        parts = [name if name in tensors else name.removeprefix(prefix) for name in theirs]
        missing = [name for name, part in zip(theirs, parts, strict=True) if part not in tensors]
        if missing:
            raise ValueError(f"{directory / 'model.safetensors'}: no tensor {missing[0]}")
        state[ours] = torch.cat([tensors[name].float() for name in parts])
    reader.load_state_dict(state)
    return reader


def layout_of(start: Path) -> Layout:
    """Read how a start directory's model takes questions and contexts."""
    family = read_config(start)["model_type"]
    entries = (start / "vocab.txt").read_text(encoding="utf-8").split("\n")
    is_mpnet = family == "mpnet"
    names = ("<s>", "</s>", "<pad>") if is_mpnet else ("[CLS]", "[SEP]", "[PAD]")
    cls, sep, pad = (entries.index(name) for name in names)
    return Layout(cls, sep, pad, between=2 if is_mpnet else 1)


def save_checkpoint(shape: Shape, state: Mapping[str, Tensor], start: Path, out: Path) -> None:
    """Write a Hugging Face checkpoint in FP16, with the tokenizer of the start weights.

    The sizes of cut layers are in its config.json as ``spanjet.layers``; config.json is written last.
    """
    tensors: dict[str, Tensor] = {}
    for ours, theirs in checkpoint_names(shape).items():
        for name, part in zip(theirs, state[ours].detach().cpu().chunk(len(theirs)), strict=True):
            tensors[name] = part.to(torch.float16).contiguous()
    out.mkdir(parents=True, exist_ok=True)
    architecture = "BertForQuestionAnswering" if shape.family == "bert" else "MPNetForQuestionAnswering"
    left_out = ("_name_or_path", "transformers_version", "dtype", "spanjet")
    kept = {key: value for key, value in read_config(start).items() if key not in left_out}
    kept |= {"architectures": [architecture], "torch_dtype": "float16", "num_hidden_layers": shape.layers}
    if set(shape.sizes) != {LayerSize(shape.heads, shape.inner)}:
        kept["spanjet"] = {"layers": [size._asdict() for size in shape.sizes]}
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        if (start / name).exists():
            (out / name).write_bytes((start / name).read_bytes())
    (out / "config.json").write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Write the checkpoint of a state."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("state", type=Path, help="directory of a run's state")
    parser.add_argument("start", type=Path, help="checkpoint that the run started from")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    state = torch.load(options.state / "state.pt", weights_only=True, map_location="cpu")
    shape = read_shape(options.start)
    if "sizes" in state:
        shape = replace(shape, sizes=tuple(LayerSize(*size) for size in state["sizes"]))
    save_checkpoint(shape, state["reader"], options.start, options.out)
    print(options.out)


if __name__ == "__main__":
    main()
