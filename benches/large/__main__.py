"""Make models of BERT-base's and BERT-Large's shape out of random weights; load, quantize and time them.

python -m benches.large [--shape bert-base] [--samples 16]
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from spanjet.cli.terminal.progress import progress_bar
from spanjet.model.random_weights import SHAPES
from spanjet.runtime.cpu import describe_machine

from benches.large.measure import Measured, measure

MOST_LOADING = 1.5
"""Peak memory of loading at most, as a multiple of the weights."""


def main(arguments: Sequence[str] | None = None) -> int:
    """0: all shapes were loaded within `MOST_LOADING`; 1: one was not."""
    parser = argparse.ArgumentParser(
        prog="python -m benches.large", description="RANDOM weights: no accuracy."
    )
    parser.add_argument("--shape", choices=list(SHAPES), action="append", help="default: all")
    parser.add_argument("--samples", type=int, default=16, help="calibration windows")
    parser.add_argument("--directory", type=Path, help="for the files; default: a temporary one")
    options = parser.parse_args(arguments)
    measured: dict[str, Measured] = {}
    for name in options.shape or SHAPES:
        with tempfile.TemporaryDirectory(dir=options.directory, prefix="spanjet-large-") as directory:
            measured[name] = measure(
                Path(directory), SHAPES[name], samples=options.samples, progress=progress_bar
            )
    show(measured)
    return int(any(each.loading > MOST_LOADING * each.weights for each in measured.values()))


def show(measured: dict[str, Measured]) -> None:
    """Print a table."""
    machine = describe_machine()
    table = Table(
        title="Random weights: shapes are real, answers mean nothing",
        caption=f"{machine['processor']}, {machine['cpus']} CPUs, OpenVINO {machine['openvino']}; windows/s: "
        "medians of rounds in turn",
    )
    columns = ("shape", "FP32 MB", "loading, peak MB", "x weights", "quantizing s", "INT8 MB")
    for name in (*columns, "FP32/s", "default/s", "INT8/s", "INT8 over FP32"):
        table.add_column(name, justify="left" if name == "shape" else "right")
    for name, each in measured.items():
        speed = each.speed
        table.add_row(
            name,
            f"{each.weights / 1e6:.0f}",
            f"{each.loading / 1e6:.0f}",
            f"{each.loading / each.weights:.2f}",
            f"{each.seconds:.0f}",
            f"{each.int8_bytes / 1e6:.0f}",
            *(f"{speed[side]:.2f}" for side in ("float32", "default", "int8")),
            f"{speed['int8_over_float32']:.2f}",
        )
    Console(width=140).print(table)


if __name__ == "__main__":
    sys.exit(main())
