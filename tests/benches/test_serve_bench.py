"""The load tests of the server, at a small size: all scenarios run, and no answer is wrong."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benches.serve import __main__ as command
from benches.serve.workload import CLASSES, LONGER, make_workload

EXCERPT = Path(__file__).parents[1] / "data" / "squad" / "v1.1.json"


def test_a_workload_knows_its_answers() -> None:
    items = make_workload(EXCERPT, 12)
    assert len(items) == 12
    for item in items:
        assert item.length_class in (*CLASSES, LONGER)
        start, end = item.answer["start"], item.answer["end"]
        assert item.body["context"][start:end] == item.answer["text"]
        assert item.is_answered_by({"answers": [{**item.answer, "logit": 1.0}]})
        assert not item.is_answered_by({"answers": [{**item.answer, "score": 0.123}]})


@pytest.mark.timeout(600)
def test_the_command(tmp_path: Path) -> None:
    arguments = [
        "--questions",
        "16",
        "--seconds",
        "1",
        "--minutes",
        "0.05",
        "--rounds",
        "1",
        "--clients",
        "6",
    ]
    command.main([*arguments, "--json", str(tmp_path / "figures.json")])
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert figures["capacity"] > 0
    checks = {check["name"]: check for check in figures["checks"]}
    assert len(checks) == len(figures["checks"]) > 15
    # Times say nothing at this size; these hold at any.
    for name in ("wrong or mixed-up answers", "SIGTERM under load: exit code", "kill -9: wrong answers"):
        assert checks[name]["met"], checks[name]
