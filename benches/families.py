"""Time every architecture against BERT-base of the same size: python -m benches.families [--json FILE]

RANDOM weights: times only. Each family takes turns with BERT-base on the same batch, in float32 and in INT8
(NNCF, on random windows), so that a machine that slows down slows both.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from spanjet import RuntimeConfig
from spanjet.compress.latency.synthetic_int8 import RandomTensors
from spanjet.compress.quantize.ptq import quantize
from spanjet.measure.environment import describe_environment
from spanjet.measure.rounds import Spread, alternate, ratios
from spanjet.model.config_json import Fields
from spanjet.model.graph.architectures import ARCHITECTURES
from spanjet.runtime.engine import Runtime
from spanjet.runtime.openvino import ov

BASE: dict[str, Any] = {
    "vocab_size": 30522,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 514,
}
"""BERT-base's size, with RoBERTa's number of positions."""
DEBERTA = {
    "relative_attention": True,
    "position_buckets": 256,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "pos_att_type": ["p2c", "c2p"],
    "position_biased_input": False,
    "type_vocab_size": 0,
}
# As it was published, for it has no variant of BERT-base's size.
MOBILEBERT = {"hidden_size": 512, "num_hidden_layers": 24, "num_attention_heads": 4, "intermediate_size": 512}
# Gated units have three matrices in place of two: as many products as BERT-base.
MODERNBERT = {"intermediate_size": 2048, "pad_token_id": 0}
DISTILBERT = {"dim": 768, "n_layers": 12, "n_heads": 12, "hidden_dim": 3072}
REFERENCE = "BERT"
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    REFERENCE: ("bert", {}),
    "BERT, relative_key": ("bert", {"position_embedding_type": "relative_key"}),
    "BERT, relative_key_query": ("bert", {"position_embedding_type": "relative_key_query"}),
    "ALBERT": ("albert", {"embedding_size": 128}),
    "DistilBERT": ("distilbert", DISTILBERT),
    "ELECTRA": ("electra", {"embedding_size": 768}),
    "ERNIE": ("ernie", {"use_task_id": True}),
    "RoBERTa": ("roberta", {"pad_token_id": 1, "type_vocab_size": 1}),
    "MPNet": ("mpnet", {"pad_token_id": 1}),
    "MobileBERT": ("mobilebert", {**MOBILEBERT, "hidden_act": "relu"}),
    "DeBERTa v3": ("deberta-v2", DEBERTA),
    "ModernBERT": ("modernbert", MODERNBERT),
}


@dataclass(frozen=True)
class Inputs:
    """One batch."""

    input_ids: NDArray[np.int32]
    attention_mask: NDArray[np.int32]
    token_type_ids: NDArray[np.int32]


@dataclass(frozen=True)
class Line:
    """Times of a family over those of `REFERENCE` in the same round."""

    family: str
    float32: Spread
    int8: Spread


def batch(rows: int, length: int, words: int, seed: int = 0) -> Inputs:
    """Random tokens without padding."""
    ids = np.random.default_rng(seed).integers(5, words, (rows, length), dtype=np.int32)
    return Inputs(ids, np.ones_like(ids), np.zeros_like(ids))


def build(family: str, size: dict[str, Any]) -> ov.Model:
    """The float32 graph of a family, with random weights."""
    model_type, values = FAMILIES[family]
    fields = Fields(Path("config.json"), {**size, **values, "model_type": model_type})
    return ARCHITECTURES[model_type].read(fields).build(RandomTensors())


def quantized(model: ov.Model, inputs: Inputs, samples: int) -> ov.Model:
    """The INT8 graph, calibrated on random windows."""
    names = [port.any_name for port in model.inputs]
    windows = [batch(1, inputs.input_ids.shape[1], 1000, seed) for seed in range(samples)]
    return quantize(model, [{name: getattr(window, name) for name in names} for window in windows])


def runner(model: ov.Model, inputs: Inputs) -> Callable[[], None]:
    """What runs the batch once on all CPUs."""
    engine = Runtime(model, RuntimeConfig(cache_dir=None, precision="f32"))

    def run() -> None:
        for _ in engine.run([inputs], hint="LATENCY"):
            pass

    return run


def measure(
    families: Sequence[str], inputs: Inputs, *, size: dict[str, Any], rounds: int, samples: int
) -> Iterator[Line]:
    """Time each family in turns with the reference."""

    def both(family: str) -> list[Callable[[], None]]:
        model = build(family, size)
        return [runner(each, inputs) for each in (model, quantized(model, inputs, samples))]

    reference = both(REFERENCE)
    for family in families:
        spreads = []
        for own, other in zip(both(family), reference, strict=True):
            turns = alternate({"own": own, "reference": other}, rounds)
            spreads.append(Spread.of(ratios(turns["own"], turns["reference"])))
        yield Line(family, *spreads)


def show(lines: Sequence[Line], console: Console) -> None:
    """Print a table."""
    table = Table(title=f"Random weights: time over that of {REFERENCE}, median and quartiles")
    for name in ("family", "float32", "INT8"):
        table.add_column(name, justify="left" if name == "family" else "right")
    for line in lines:
        cells = [f"{one.median:.2f} ({one.low:.2f} to {one.high:.2f})" for one in (line.float32, line.int8)]
        table.add_row(line.family, *cells)
    console.print(table)


def main(arguments: Sequence[str] | None = None, size: dict[str, Any] | None = None) -> int:
    """Time the families; ``size`` replaces values of `BASE`."""
    parser = argparse.ArgumentParser(prog="python -m benches.families", description=__doc__)
    parser.add_argument("--family", choices=list(FAMILIES), action="append", help="default: all")
    parser.add_argument("--rounds", type=int, default=15, help="default: %(default)s")
    parser.add_argument("--rows", type=int, default=8, help="windows of the batch (default: %(default)s)")
    parser.add_argument("--length", type=int, default=192, help="their tokens (default: %(default)s)")
    parser.add_argument("--samples", type=int, default=4, help="of calibration (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="write all measurements to this file")
    options = parser.parse_args(arguments)
    for name in ("rounds", "rows", "length", "samples"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} is {getattr(options, name)}; expected at least 1")
    size, environment = {**BASE, **(size or {})}, describe_environment()
    inputs = batch(options.rows, options.length, size["vocab_size"])
    names, lines = options.family or list(FAMILIES), []
    with Console(stderr=True).status("starting") as status:
        found = measure(names, inputs, size=size, rounds=options.rounds, samples=options.samples)
        for line in found:
            lines.append(line)
            status.update(f"{line.family}: {line.float32.median:.2f}, {line.int8.median:.2f}")
    show(lines, Console(width=None if sys.stdout.isatty() else 100))
    if options.json:
        about = {name: getattr(options, name) for name in ("rounds", "rows", "length", "samples")}
        content = {"about": {**about, **environment}, "families": [asdict(line) for line in lines]}
        options.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
