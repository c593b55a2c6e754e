"""The machine, from the files that Linux describes it in."""

from pathlib import Path

import pytest
from spanjet.measure import environment


def test_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmicrocode\t: 0xab\n", encoding="utf-8")
    (tmp_path / "meminfo").write_text("MemTotal:       2000000 kB\nMemFree: 1 kB\n", encoding="utf-8")
    (tmp_path / "governor").write_text("performance\n", encoding="utf-8")
    monkeypatch.setattr(environment, "PROC", tmp_path)
    monkeypatch.setattr(environment, "GOVERNOR", tmp_path / "governor")
    found = environment.describe_environment()
    assert found["microcode"] == "0xab"
    assert found["governor"] == "performance"
    assert found["memory"] == "2.0 GB"
    assert float(found["load"]) >= 0
    monkeypatch.setattr(environment, "PROC", tmp_path / "missing")
    monkeypatch.setattr(environment, "GOVERNOR", tmp_path / "missing")
    assert not {"microcode", "governor", "memory"} & set(environment.describe_environment())
