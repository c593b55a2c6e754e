"""The benchmark of large shapes, with small ones."""

import sys
from pathlib import Path

import pytest
from spanjet.model import load_model
from spanjet.model.random_weights import SHAPES, Shape, write_checkpoint

sys.path.insert(0, str(Path(__file__).parents[2]))

from benches.large import __main__ as command

SMALL = Shape(width=64, layers=2, heads=4, vocabulary=4000, positions=400)


def test_the_shapes_are_those_of_the_models(tmp_path: Path) -> None:
    """Parameters of the published models, their pooler left out and two outputs added, and of pruned ones."""
    sizes = {
        "bert-base": 108_893_186,
        "bert-large": 334_094_338,
        "base-6x1536": 66_393_602,
        "small-4x768": 35_672_066,
        "modernbert-base": 149_606_402,
        "modernbert-large": 395_833_346,
    }
    for name, shape in SHAPES.items():
        total = 0
        for _, lengths in shape.tensors():
            count = 1
            for length in lengths:
                count *= length
            total += count
        assert total == sizes[name]
    size = write_checkpoint(tmp_path / "small", SMALL)
    loaded = load_model(tmp_path / "small")
    assert (loaded.max_length, loaded.vocab_size) == (400, 4000)
    assert size < loaded.weights[0].stat().st_size < size + 20_000
    with pytest.raises(ValueError, match="a vocabulary of 10; expected at least"):
        write_checkpoint(tmp_path / "tiny", Shape(width=8, layers=1, heads=1, vocabulary=10))


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "SHAPES", {"small": SMALL})
    monkeypatch.setattr(command, "MOST_LOADING", 1000)  # a small model's memory is that of its graph
    assert command.main(["--samples", "2", "--directory", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "Random weights" in printed
    assert "small" in printed
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(command, "MOST_LOADING", 0)
    assert command.main(["--samples", "2", "--directory", str(tmp_path)]) == 1
