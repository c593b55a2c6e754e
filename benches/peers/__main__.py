"""Run the comparison and print its table.

python -m benches.peers --squad dev-v1.1.json --markdown table.md
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from spanjet.measure.environment import describe_environment
from spanjet.runtime.machine import affinity

from benches.peers import contestants, report, texts
from benches.peers.contestants import Contestant
from benches.peers.report import Heat
from benches.peers.rounds import Effort, Entry, measure
from benches.peers.tasks import Task


def heats(squad_file: Path | None, peers: Sequence[type[Contestant]] = contestants.ALL) -> Iterator[Heat]:
    """All heats: the work, the text, and who takes part."""
    for work in ("ids", "ids + offsets"):
        for text in texts.MAKERS:
            scales = (1.0, 0.25) if text in texts.WORST else (1.0,)
            tasks = [Task(work, text, squad_file, scale) for scale in scales]
            yield Heat([entry for task in tasks for entry in entered(task, peers)])
    for work in ("features", "decode, 20 of 20", "decode, 1 of 20"):
        yield Heat(entered(Task(work, "SQuAD", squad_file), peers))


def entered(task: Task, peers: Sequence[type[Contestant]]) -> list[Entry]:
    """Everyone who can do the work, on one thread, and ours on all CPUs too where there are several."""
    found = []
    for peer in peers:
        if peer.can(task.work):
            found.append(Entry(peer, task, has_cold_runs=task.scale == 1.0))
            # A worst case is one text, and one text is one thread's work.
            if peer.all_threads and task.text not in texts.WORST and len(affinity()) > 1:
                found.append(Entry(peer, task, threads=None))
    return found


def run(chosen: Sequence[Heat], effort: Effort, console: Console) -> None:
    """Measure all heats, with a line on a terminal that says where it is."""
    with console.status("starting") as status:
        for index, heat in enumerate(chosen, start=1):
            where = f"{index} of {len(chosen)}, {heat.work}, {heat.text}"
            measure(heat.entries, effort, lambda text, where=where: status.update(f"{where}: {text}"))  # type: ignore[misc]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benches.peers", description=__doc__.splitlines()[0])
    parser.add_argument("--squad", type=Path, help="a SQuAD file (default: the committed excerpt, varied)")
    parser.add_argument("--only", default="", help="only lines whose work and text contain this")
    parser.add_argument("--json", type=Path, help="write all measurements to this file")
    parser.add_argument("--markdown", type=Path, help="write the table to this file")
    for name in ("rounds", "cold", "seconds", "turn_seconds", "patience"):
        default = getattr(Effort, name)
        flag = "--" + name.replace("_", "-")
        parser.add_argument(
            flag, type=type(default), default=default, help="see Effort (default: %(default)s)"
        )
    options = parser.parse_args(arguments)
    effort = Effort(options.rounds, options.cold, options.turn_seconds, options.seconds, options.patience)
    chosen = [heat for heat in heats(options.squad) if options.only in f"{heat.work}, {heat.text}"]
    if not chosen:
        parser.error(f"no heat is about {options.only!r}")
    source = str(options.squad.name) if options.squad else "the committed excerpt's sentences, drawn again"
    machine = {"SQuAD": source, **describe_environment()}
    run(chosen, effort, Console(stderr=True))
    report.show(chosen, machine, Console(width=None if sys.stdout.isatty() else report.WIDTH))
    if options.json:
        report.save_json(chosen, machine, options.json)
    if options.markdown:
        options.markdown.write_text(report.markdown(chosen, machine), encoding="utf-8")
    # Some peers may be missing or fail; our own lines and the reference's may not.
    needed = [entry for heat in chosen for entry in heat.entries if needs(entry.contestant)]
    return 1 if any(entry.failure or entry.ids_equal != 1.0 for entry in needed) else 0


def needs(contestant: type[Contestant]) -> bool:
    """Whether the comparison has failed when this contestant has."""
    return contestant.reference or contestant is contestants.Spanjet


if __name__ == "__main__":
    sys.exit(main())
