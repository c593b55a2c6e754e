"""The whole-size parity command, at a small size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import parity
import peer
import pytest
import texts

SQUAD = Path(__file__).parents[1] / "data" / "squad" / "v1.1.json"
FEW = ["--strings", "300", "--squad", str(SQUAD)]


@pytest.fixture
def few_scalars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "scalar_values", lambda: iter("aé한東\u0301\u200b"))


@pytest.mark.usefixtures("few_scalars")
def test_equal(capsys: pytest.CaptureFixture[str]) -> None:
    assert parity.main(FEW) == 0
    assert "all equal" in capsys.readouterr().out


@pytest.mark.usefixtures("few_scalars")
def test_difference_is_found(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def other(_: Path, **options: Any) -> Any:
        return load(peer.UNCASED, **options)

    load = peer.load
    monkeypatch.setattr(peer, "load", other)
    assert parity.main([*FEW, "--tokenizer", str(peer.CASED)]) == 1
    assert "NOT equal" in capsys.readouterr().out


@pytest.mark.usefixtures("few_scalars")
def test_nothing_to_compare(tmp_path: Path) -> None:
    empty = tmp_path / "empty.json"
    empty.write_text(json.dumps({"data": []}), encoding="utf-8")
    assert parity.main(["--strings", "300", "--squad", str(empty)]) == 1
    assert parity.main(["--strings", "0", "--squad", str(SQUAD)]) == 1
