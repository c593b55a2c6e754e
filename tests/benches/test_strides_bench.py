"""The benchmark of window lengths and strides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from spanjet import Reader, RuntimeConfig, WindowConfig
from spanjet.evaluate import load_squad

from benches import strides


def test_strides_are_measured(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["strides", str(data / "squad" / "v1.1.json"), "--questions", "6", "--tokens", "300"]
    monkeypatch.setattr("sys.argv", [*arguments, "--settings", "128/32", "128/96"])
    strides.main()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    first, second = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:])
    assert (first[0], second[0]) == ("128 / 32", "128 / 96")
    assert float(first[1]) > 1.5 * float(second[1]) > 1.5
    assert (first[2], first[5]) == ("1.00", "")
    assert float(second[2]) < 1


def test_long_texts_hold_their_paragraph(data: Path) -> None:
    dataset = load_squad(data / "squad" / "v1.1.json")
    reader = Reader(runtime_config=RuntimeConfig(cache_dir=None), window_config=WindowConfig())
    options = {"questions": 8, "tokens": 400}
    texts = list(strides.long_texts(dataset, reader, seed=3, **options))
    assert len(texts) == 8
    for question, text in texts:
        assert question.context in text
        most = len(reader.prepare("\n\n".join(dataset.articles[question.article])))
        assert len(reader.prepare(text)) >= min(400, most)
    assert list(strides.long_texts(dataset, reader, seed=3, **options)) == texts
    assert list(strides.long_texts(dataset, reader, seed=4, **options)) != texts


def test_intervals_hold_the_mean() -> None:
    values = np.random.default_rng(0).normal(0.3, 1, 400).tolist()
    low, high = strides.interval(values, 0)
    assert low < np.mean(values) < high
    assert high - low == pytest.approx(2 * 1.96 / 20, rel=0.15)
