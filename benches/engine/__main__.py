"""Run the comparison and print its tables.

python -m benches.engine --squad dev-v1.1.json --model checkpoint --markdown table.md
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from spanjet.bench import built_in, sample
from spanjet.evaluate import SquadDataset, load_squad
from spanjet.measure.environment import describe_environment
from spanjet.model.directory import BUNDLED_MODEL
from spanjet.runtime.machine import affinity

from benches.engine import report
from benches.engine.contestants import Contestant, OptimumIntel, Spanjet, Transformers
from benches.engine.rounds import Effort, Entry, measure

NO_CHECKPOINT = "needs a checkpoint, which was not given (MODEL=directory)"


def entries(checkpoint: Path | None, int8: Path) -> list[Entry]:
    """Everyone who takes part, ours first."""

    def full(contestant: type[Contestant]) -> Entry:
        return Entry(contestant, "FP32", checkpoint, failure="" if checkpoint else NO_CHECKPOINT)

    return [
        Entry(Spanjet, "INT8", int8),
        full(Spanjet),
        Entry(OptimumIntel, "INT8", int8),
        full(OptimumIntel),
        full(Transformers),
    ]


def questions(squad: Path | None, count: int, seed: int) -> SquadDataset:
    """A sample of the file, or questions that are made up."""
    return built_in(count, seed) if squad is None else sample(load_squad(squad), count, seed)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benches.engine", description=__doc__.splitlines()[0])
    parser.add_argument("--squad", type=Path, help="a SQuAD file (default: made-up questions)")
    parser.add_argument("--model", type=Path, help="a checkpoint directory, for the FP32 lines")
    parser.add_argument("--int8", type=Path, help="its INT8 model (default without --model: the bundled one)")
    parser.add_argument("--questions", type=int, default=1000, help="drawn at random (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="chooses them (default: %(default)s)")
    cpus = len(affinity())
    parser.add_argument("--threads", type=int, default=cpus, help="of each engine (default: all CPUs)")
    for name in ("rounds", "keep", "patience"):
        default = getattr(Effort, name)
        parser.add_argument(
            f"--{name}", type=type(default), default=default, help="see Effort (default: %(default)s)"
        )
    parser.add_argument("--json", type=Path, help="write all measurements to this file")
    parser.add_argument("--markdown", type=Path, help="write the tables to this file")
    options = parser.parse_args(arguments)
    if not 1 <= options.threads <= cpus:
        parser.error(f"--threads is {options.threads}; expected 1 to {cpus}, the CPUs of this process")
    if options.rounds < 1:
        parser.error(f"--rounds is {options.rounds}; expected at least 1")
    if options.int8 is None:
        if options.model is not None:
            parser.error(
                "--model without --int8; expected the checkpoint's INT8 model too, to compare one model"
            )
        options.int8 = BUNDLED_MODEL
    for path in (options.model, options.int8):
        if path is not None and not path.is_dir():
            parser.error(f"{path}: no such directory")
    return options


def main(arguments: Sequence[str] | None = None, contestants: list[Entry] | None = None) -> int:
    """Run the comparison; the exit status."""
    options = parse(arguments)
    try:
        dataset = questions(options.squad, options.questions, options.seed)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"python -m benches.engine: {error}\n")
        return 2
    competing = entries(options.model, options.int8) if contestants is None else contestants
    effort = Effort(options.rounds, options.keep, options.patience)
    about = {
        "questions": f"{len(dataset):,} of {options.squad.name if options.squad else 'the made-up ones'}",
        "seed": str(options.seed),
        "threads": str(options.threads),
        **describe_environment(),
    }
    with Console(stderr=True).status("starting") as status:
        measure(competing, dataset, options.threads, effort, status.update)
    found, notes = report.tables(competing, len(dataset)), report.notes(competing, about)
    report.show(found, notes, Console(width=None if sys.stdout.isatty() else report.WIDTH))
    if options.json:
        report.save_json(competing, about, options.json)
    if options.markdown:
        options.markdown.write_text(report.markdown(found, notes), encoding="utf-8")
    # Peers may be missing or fail; ours may not.
    ours = [entry for entry in competing if entry.contestant is Spanjet and entry.model is not None]
    return 1 if any(entry.best is None for entry in ours) else 0


if __name__ == "__main__":
    sys.exit(main())
