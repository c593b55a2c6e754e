"""How well a latency table predicts whole models that it was not fitted to, by shape; RANDOM weights.

python -m benches.latency_table [--shape bert-base] [--checks 8]
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from spanjet.cli.terminal.progress import progress_bar
from spanjet.compress.latency.profile import LatencySettings, measure_latency
from spanjet.compress.latency.table import LatencyTable, fitted
from spanjet.compress.prune.structures import levels_of
from spanjet.model.graph.architectures.bert import Bert
from spanjet.model.layer_shape import LayerShape
from spanjet.model.random_weights import SHAPES, Shape
from spanjet.runtime.cpu import describe_machine

WITHIN = 0.05
"""The share that predictions may be off by."""

ALL_SHAPES = {
    "minilm-l6": Shape(width=384, layers=6, heads=12),
    **{name: SHAPES[name] for name in ("bert-base", "bert-large")},
}
# Tokens of SQuAD's windows: their median, their spread, and how long they can be.
MEDIAN, SPREAD, LONGEST = 164, 0.4, 384


def main(arguments: Sequence[str] | None = None) -> int:
    """0: all predictions are within `WITHIN`; 1: one was not."""
    parser = argparse.ArgumentParser(prog="python -m benches.latency_table")
    parser.add_argument("--shape", choices=list(ALL_SHAPES), action="append", help="default: all")
    parser.add_argument("--checks", type=int, default=8, help="whole models of random shapes")
    parser.add_argument("--rounds", type=int, default=LatencySettings().rounds)
    options = parser.parse_args(arguments)
    console, worst = Console(width=110), 0.0
    for name in options.shape or ALL_SHAPES:
        began = time.perf_counter()
        settings = LatencySettings(checks=options.checks, rounds=options.rounds)
        errors = left_out(measure(ALL_SHAPES[name], settings))
        show(console, name, errors, time.perf_counter() - began)
        worst = max([worst, *(abs(error) for _, _, error in errors)])
    return int(worst > WITHIN)


def measure(shape: Shape, settings: LatencySettings) -> LatencyTable:
    """The table of an architecture, on windows as long as SQuAD's."""
    lengths = np.random.default_rng(0).lognormal(np.log(MEDIAN), SPREAD, 4000).astype(np.int64)
    config, lengths = architecture(shape), lengths.clip(16, LONGEST)
    with progress_bar("latency") as bar:
        return measure_latency(config, lengths, levels_of(config), settings=settings, on_step=bar)


def architecture(shape: Shape) -> Bert:
    """The sizes of a BERT of that shape."""
    units = 4 * shape.width
    values: dict[str, Any] = {
        "model_type": "bert",
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.width,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "intermediate_size": units,
        "max_position_embeddings": shape.positions,
        "type_vocab_size": 2,
        "pad_token_id": 0,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
    }
    return Bert(**values, layer_shapes=(LayerShape(shape.heads, units),) * shape.layers)


def left_out(table: LatencyTable) -> list[tuple[float, float, float]]:
    """Of each whole model: milliseconds measured, predicted with what the others say, and the error."""
    found = []
    for check in table.checks:
        others = [other for other in table.checks if other is not check]
        predicted = fitted(replace(table, checks=()), others).total(check.shapes)
        found.append((1000 * check.seconds, 1000 * predicted, predicted / check.seconds - 1))
    return found


def show(console: Console, name: str, errors: list[tuple[float, float, float]], seconds: float) -> None:
    """Print a table."""
    machine = describe_machine()
    table = Table(
        title=f"{name}, random weights: milliseconds a window; measured in {seconds:.0f} s",
        caption=f"{machine['processor']}, {machine['cpus']} CPUs; each is predicted from the others; the "
        "last is whole",
    )
    for column in ("measured", "predicted", "error"):
        table.add_column(column, justify="right")
    for measured, predicted, error in errors:
        table.add_row(f"{measured:.2f}", f"{predicted:.2f}", f"{100 * error:+.1f} %")
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
