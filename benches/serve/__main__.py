"""Load `spanjet serve`, and hold it against its targets: make bench-serve.

python -m benches.serve [--squad dev-v1.1.json] [--seconds 30] [--minutes 10] [--rounds 3] [--only NAME ...]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table
from spanjet.measure.environment import describe_environment

from benches.serve import scenarios
from benches.serve.scenarios import Check
from benches.serve.workload import make_workload

EXCERPT = Path(__file__).parents[2] / "tests" / "data" / "squad" / "v1.1.json"
NAMES = ("throughput", "latency", "overload", "bad-clients", "endings")


def main(arguments: Sequence[str] | None = None) -> int:
    """0: every target that was measured is met; 1: one is not."""
    parser = argparse.ArgumentParser(prog="python -m benches.serve", description=__doc__)
    parser.add_argument("--squad", type=Path, default=EXCERPT)
    parser.add_argument("--questions", type=int, default=2000, help="distinct requests")
    parser.add_argument("--seconds", type=float, default=30, help="of one measurement")
    parser.add_argument("--minutes", type=float, default=10, help="of the overload, and of the bad clients")
    parser.add_argument("--rounds", type=int, default=3, help="of the throughput")
    parser.add_argument("--clients", type=int, default=200, help="bad ones among them")
    parser.add_argument("--max-wait", type=float, default=1.0, help="the server's default")
    parser.add_argument("--only", nargs="*", choices=NAMES, default=NAMES)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args(arguments)
    machine = describe_environment()
    items = make_workload(options.squad, options.questions)
    capacity, checks = scenarios.throughput(
        options.squad, items, options.seconds, options.rounds if "throughput" in options.only else 1
    )
    long = 60 * options.minutes
    measurements: dict[str, Callable[[], list[Check]]] = {
        "latency": lambda: scenarios.latency(items, capacity, options.seconds),
        "overload": lambda: scenarios.overload(items, capacity, long, options.max_wait),
        "bad-clients": lambda: scenarios.bad_clients(items, options.clients, long),
        "endings": lambda: scenarios.endings(items, options.seconds),
    }
    show(checks, f"capacity {capacity:.0f} questions a second")
    for name in options.only:
        if name in measurements:
            found = measurements[name]()
            show(found, name)
            checks += found
    if options.json:
        figures = {
            "machine": machine,
            "capacity": capacity,
            "checks": [asdict(each) for each in checks],
        }
        options.json.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return int(any(check.met is False for check in checks))


def show(checks: list[Check], title: str) -> None:
    """Print a table."""
    table = Table(title=title)
    for name in ("", "measured", "target", "met"):
        table.add_column(name)
    for check in checks:
        table.add_row(
            check.name, check.value, check.target, "" if check.met is None else "yes" if check.met else "NO"
        )
    Console(width=140).print(table)


if __name__ == "__main__":
    sys.exit(main())
