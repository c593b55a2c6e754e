"""The loader of pruned checkpoints, in the environment that has torch: `make test-recipes`."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForQuestionAnswering

LOADER = Path(__file__).parents[1] / "python" / "spanjet" / "compress" / "export" / "modeling_spanjet.py"
# Heads and units that are left in each layer: some, all, no attention, no feed-forward block.
KEPT: tuple[tuple[list[int], list[int]], ...] = (
    ([1, 3], [0, 5, 6, 40]),
    ([0, 1, 2, 3], list(range(64))),
    ([], [3]),
    ([2], []),
)
SIZE = 8


class Family(NamedTuple):
    """Sizes in the configuration's words, and the names of a layer's tensors."""

    config: dict[str, Any]
    readers: tuple[str, ...]
    output: str
    up: str
    down: str
    layers: str = "encoder.layer"


SIZES = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 64}
DISTILBERT_SIZES = {"dim": 32, "n_layers": 4, "n_heads": 4, "hidden_dim": 64}
BERT_READERS = tuple(f"attention.self.{name}" for name in ("query", "key", "value"))
BERT_NAMES = (BERT_READERS, "attention.output.dense", "intermediate.dense", "output.dense")
FAMILIES = {
    "bert": Family(SIZES, *BERT_NAMES),
    "roberta": Family({**SIZES, "pad_token_id": 1}, *BERT_NAMES),
    "distilbert": Family(
        DISTILBERT_SIZES,
        tuple(f"attention.{name}_lin" for name in "qkv"),
        "attention.out_lin",
        "ffn.lin1",
        "ffn.lin2",
        layers="transformer.layer",
    ),
    "mpnet": Family(
        SIZES,
        tuple(f"attention.attn.{name}" for name in "qkv"),
        "attention.attn.o",
        "intermediate.dense",
        "output.dense",
    ),
}


def whole(name: str) -> Any:
    """A random model whose answers depend on all of it."""
    torch.manual_seed(0)
    config = AutoConfig.for_model(name, vocab_size=200, **FAMILIES[name].config)
    model = AutoModelForQuestionAnswering.from_config(config, attn_implementation="eager").eval()
    for key, value in model.named_parameters():
        torch.nn.init.normal_(value, mean=float(key.endswith("orm.weight")), std=0.3)
    return model


def cut(name: str, model: Any) -> dict[str, Any]:
    """The tensors that are left; what is removed becomes zero in the model itself."""
    family = FAMILIES[name]
    state = {key: value.clone() for key, value in model.state_dict().items()}
    for index, (heads, units) in enumerate(KEPT):
        layer = f"{name}.{family.layers}.{index}"
        places = [SIZE * head + place for head in heads for place in range(SIZE)]
        for readers, output, rows in (
            (family.readers, family.output, places),
            ((family.up,), family.down, units),
        ):
            weight = model.get_submodule(f"{layer}.{output}").weight.data
            gone = [place for place in range(weight.shape[1]) if place not in rows]
            weight[:, gone] = 0
            for key in (f"{layer}.{reader}.{kind}" for reader in readers for kind in ("weight", "bias")):
                state[key] = state[key][rows]
            state[f"{layer}.{output}.weight"] = state[f"{layer}.{output}.weight"][:, rows]
        if name == "mpnet" and len(heads) < 4:
            shared = state["mpnet.encoder.relative_attention_bias.weight"]
            state[f"{layer}.attention.relative_attention_bias.weight"] = shared[:, heads]
    return {key: value.contiguous() for key, value in state.items() if value.numel()}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_pruned_checkpoint_is_loaded_trained_and_saved(tmp_path: Path, name: str) -> None:
    load = runpy.run_path(str(LOADER))["load"]
    expected = whole(name)
    expected.config.save_pretrained(tmp_path)
    save_file(cut(name, expected), tmp_path / "model.safetensors", metadata={"format": "pt"})
    loaded = load(tmp_path)
    ids = torch.randint(5, 200, (3, 21))
    mask = torch.ones_like(ids)
    mask[1, 12:] = 0
    ids[1, 12:] = expected.config.pad_token_id
    inputs = {"input_ids": ids, "attention_mask": mask}
    with torch.no_grad():
        first, second = loaded(**inputs), expected(**inputs)
    for output in ("start_logits", "end_logits"):
        torch.testing.assert_close(first[output][mask == 1], second[output][mask == 1], atol=1e-4, rtol=1e-4)
    loaded(**inputs).start_logits.sum().backward()
    table = "mpnet.encoder.layer.0.attention.relative_attention_bias.weight"
    if name == "mpnet":
        assert float(loaded.get_parameter(table).grad.abs().sum()) > 0
    loaded.save_pretrained(tmp_path / "again")
    again = load(tmp_path / "again")
    with torch.no_grad():
        assert torch.equal(again(**inputs).start_logits, first.start_logits)
