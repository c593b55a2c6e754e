"""Leave one part of the optimiser out at a time.

python -m benches.ablations MODEL --data TRAIN.json --work OUT.stages [--budget 0.7] [--held-out 500]
"""

import argparse
import sys
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from rich.console import Console
from rich.table import Table
from spanjet.cli.terminal.progress import progress_bar
from spanjet.compress.optimize.config import OptimizeConfig
from spanjet.compress.optimize.run import OptimizationRun
from spanjet.compress.optimize.verify import measure_scores
from spanjet.evaluate import exact_match

from benches.ablations.variants import variants

_VARIANTS = 8


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benches.ablations")
    parser.add_argument("model", type=Path, help="checkpoint directory")
    parser.add_argument("--data", type=Path, required=True, help="SQuAD file, as of spanjet optimize")
    parser.add_argument(
        "--work", type=Path, required=True, help="stages of spanjet optimize; made if missing"
    )
    parser.add_argument("--budget", type=float, default=0.7, help="share of the whole model's time")
    for name in ("samples", "calibration", "training", "validation", "windows", "trials", "held_out", "seed"):
        default = getattr(OptimizeConfig(), name)
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default)
    options = parser.parse_args(arguments)
    settings = {name: value for name, value in vars(options).items() if hasattr(OptimizeConfig, name)}
    config = OptimizeConfig(**{**settings, "budget": None})
    run = OptimizationRun.load(
        options.model, options.data, options.work, config=config, progress=progress_bar
    )
    with run.stages.locked():
        show(run, options.budget)
    return 0


def show(run: OptimizationRun, budget: float) -> None:
    """Measure all variants and print a table."""
    with progress_bar("variants") as bar:
        done = count(1)
        made = variants(run, budget, lambda: bar(next(done), _VARIANTS))
    whole = run.table.total(run.network.shapes)
    table = Table(
        title=f"At {budget:.0%} of the time: F1 in float32 of {len(run.splits.held_out)} held-out questions"
    )
    for name in ("variant", "time", "divergence", "F1", "EM"):
        table.add_column(name, justify="left" if name == "variant" else "right")
    rows = [("nothing cut", run.network.shapes, run.network)]
    rows += [(variant.name, variant.shapes, variant.network) for variant in made]
    for name, shapes, network in rows:
        scores = measure_scores(
            network.loaded(), run.splits.held_out, run.windows, name=name, progress=progress_bar, exact=True
        )
        divergence = run.divergence(network.build())
        cells = (f"{run.table.total(shapes) / whole:.3f}", f"{divergence:.4f}")
        table.add_row(name, *cells, f"{scores['f1']:.2f}", f"{exact_match(scores):.2f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    sys.exit(main())
