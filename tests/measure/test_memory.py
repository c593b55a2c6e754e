"""Memory of this process, as Linux counts it."""

from pathlib import Path

import numpy as np
import pytest
from spanjet.measure import memory


def test_memory_has_a_peak() -> None:
    memory.reset_peak()
    before = memory.peak_megabytes()
    block = np.ones(40_000_000, np.uint8)
    del block
    after, now = memory.peak_megabytes(), memory.resident_megabytes()
    assert before is not None
    assert after is not None
    assert now is not None
    assert after > before + 30
    assert now < after - 30


def test_memory_without_proc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory, "STATUS", tmp_path / "missing")
    monkeypatch.setattr(memory, "CLEAR", tmp_path / "missing" / "file")
    memory.reset_peak()
    assert memory.peak_megabytes() is None
