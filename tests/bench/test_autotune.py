"""Tuning: the fastest settings win, and what is measured is real."""

import io
import json
import sys
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from spanjet import RuntimeConfig
from spanjet.bench import autotune as module
from spanjet.bench.autotune import LENGTH_QUANTILES, tune, typical_lengths
from spanjet.cli import app
from spanjet.cli import tune as command
from spanjet.config import TUNED_DEFAULTS
from spanjet.evaluate import load_squad
from spanjet.measure.rounds import Turn
from spanjet.model import Model
from spanjet.reader.tuned_settings import tuned_settings
from spanjet.runtime.engine import Hint, Logits, ModelInputs, Runtime
from typer.testing import CliRunner

CONFIG = RuntimeConfig(precision="f32", cache_dir=None, threads=2)
LENGTHS = np.arange(5, 80, dtype=np.int64)


def fake_seconds(monkeypatch: pytest.MonkeyPatch, cost: Any) -> None:
    """Let each trial take the seconds that its settings cost."""

    def alternate(sides: Any, rounds: int, *, warm_ups: int) -> dict[str, list[Turn]]:
        assert warm_ups == 0
        # A side is a trial's method.
        return {
            name: [Turn(seconds, seconds) for seconds in map(cost, [run.__self__.settings] * rounds)]
            for name, run in sides.items()
        }

    monkeypatch.setattr(module, "alternate", alternate)


def test_the_fastest_settings_win(toy: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    best = {"streams": 1, "batch_tokens": 2048, "static_lengths": True}
    fake_seconds(monkeypatch, lambda settings: 1 + sum(settings[name] != best[name] for name in best))
    seen: list[int] = []
    tuned = tune(toy, CONFIG, lengths=LENGTHS, rounds=1, progress=lambda done, _: seen.append(done))
    assert tuned.settings == best
    assert seen == list(range(1, len(tuned.candidates) + 1))
    assert tuned.candidates[0].settings == TUNED_DEFAULTS
    assert [candidate.speed > 1 for candidate in tuned.candidates[1:]] == [
        candidate.is_best for candidate in tuned.candidates[1:]
    ]


def test_no_gain_changes_nothing(toy: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_seconds(monkeypatch, lambda _: 1.0)
    assert tune(toy, CONFIG, lengths=LENGTHS, rounds=1).settings == TUNED_DEFAULTS


def test_luck_is_not_kept(toy: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was faster in its comparison alone is not so against the beginning, at the end."""
    lucky = iter([1.0])
    fake_seconds(monkeypatch, lambda settings: next(lucky, 2.0) if settings["batch_tokens"] == 512 else 2.0)
    tuned = tune(toy, CONFIG, lengths=LENGTHS, rounds=1)
    assert [each.settings["batch_tokens"] for each in tuned.candidates if each.is_best] == [1024, 512]
    assert (tuned.settings, tuned.gain) == (TUNED_DEFAULTS, 1.0)


def test_a_gain_in_three_of_five_rounds_is_none(toy: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Faster in the median, but slower in two of five rounds."""
    wavering = [0.5, 0.5, 0.5, 3.0, 3.0]

    def tuned(rounds: list[float]) -> dict[str, Any]:
        turns = iter(rounds)
        fake_seconds(
            monkeypatch, lambda settings: next(turns, 2.0) if settings["batch_tokens"] == 2048 else 1.0
        )
        search = module._Search(toy, CONFIG, LENGTHS, len(rounds), None)
        search.compare({"batch_tokens": 2048})
        return search.settings

    assert tuned(wavering) == TUNED_DEFAULTS
    assert tuned([0.5] * 4 + [3.0])["batch_tokens"] == 2048


def test_gain_is_over_the_beginning(toy: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    cost = {512: 3.0, 1024: 4.0, 1536: 2.0}
    fake_seconds(monkeypatch, lambda settings: cost.get(settings["batch_tokens"], 5.0))
    assert tune(toy, CONFIG, lengths=LENGTHS, rounds=1).gain == 2.0


def test_too_much_memory_for_a_model_of_each_length(toy: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_seconds(monkeypatch, lambda settings: 1 if settings["static_lengths"] else 2)
    memory = iter(range(0, 100_000, 100))
    monkeypatch.setattr(module, "resident_megabytes", lambda: next(memory))
    tuned = tune(toy, CONFIG, lengths=LENGTHS, rounds=1, max_static_megabytes=99)
    assert tuned.settings == TUNED_DEFAULTS
    assert tuned.candidates[-1].settings["static_lengths"]
    assert tuned.candidates[-1].megabytes == 100
    assert tune(toy, CONFIG, lengths=LENGTHS, rounds=1, max_static_megabytes=100).settings["static_lengths"]


class Rounding(Runtime):
    """A runtime whose logits differ by a bit where lengths are fixed."""

    def run(
        self, batches: Iterable[ModelInputs | None], *, hint: Hint = "THROUGHPUT"
    ) -> Generator[Logits, None, None]:
        for start, end in super().run(batches, hint=hint):
            yield Logits(start, np.nextafter(end, np.float32(9)) if self._config.static_lengths else end)


@pytest.mark.parametrize(("runtime", "is_kept"), [(Runtime, True), (Rounding, False)])
def test_what_changes_a_bit_is_not_kept(
    toy: Model, monkeypatch: pytest.MonkeyPatch, runtime: type[Runtime], *, is_kept: bool
) -> None:
    fake_seconds(monkeypatch, lambda settings: 2 - settings["static_lengths"])
    monkeypatch.setattr(module, "Runtime", runtime)
    tuned = tune(toy, CONFIG, lengths=LENGTHS, rounds=1)
    assert tuned.candidates[-1].speed == 2
    assert tuned.candidates[-1].is_best is is_kept
    assert tuned.settings["static_lengths"] is is_kept


def test_measures_the_real_thing(toy: Model) -> None:
    tuned = tune(toy, CONFIG, lengths=LENGTHS, rounds=1)
    assert set(tuned.settings) == set(TUNED_DEFAULTS)
    assert tuned.windows == len(LENGTHS)
    assert tuned.cpu_share > 0
    for candidate in tuned.candidates:
        assert candidate.tokens_per_second > 0
        assert 0 <= candidate.padding < 1
    assert json.loads(json.dumps(tuned.as_dict()))["settings"] == tuned.settings


def test_inputs_are_those_of_the_lengths(toy: Model) -> None:
    search = module._Search(toy, CONFIG, LENGTHS, 1, None)
    masks = [batch.attention_mask for batch in search._best.batches]
    assert sorted(int(n) for mask in masks for n in mask.sum(axis=1)) == LENGTHS.tolist()
    for batch in search._best.batches:
        assert batch.input_ids.max() < toy.vocab_size
        assert not (batch.input_ids * (1 - batch.attention_mask)).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rounds": 0}, "rounds is 0; expected at least 1"),
        ({"lengths": np.array([], np.int64)}, "lengths: expected numbers from 1 to 80"),
        ({"lengths": np.array([5, 81])}, "lengths: expected numbers from 1 to 80"),
        ({"lengths": np.array([0])}, "lengths: expected numbers from 1 to 80"),
    ],
)
def test_refuses(toy: Model, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tune(toy, CONFIG, **options)


def test_typical_lengths() -> None:
    lengths = typical_lengths(512, windows=1000)
    assert len(lengths) == 1000
    assert np.median(lengths) == pytest.approx(LENGTH_QUANTILES[10], abs=1)
    assert lengths.max() <= LENGTH_QUANTILES[-1]
    assert typical_lengths(64).max() == 64


@pytest.mark.filterwarnings("ignore::spanjet.reader.warnings.QuestionCut")
def test_command(toy: Model, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("spanjet.cli.tune.load_model", lambda _: toy)
    fake_seconds(monkeypatch, lambda settings: 1 if settings["batch_tokens"] == 512 else 2)
    squad = str(data / "squad" / "v1.1.json")
    done = CliRunner().invoke(app, ["tune", "--rounds", "1", "--json", "--squad", squad])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["settings"]["batch_tokens"] == 512
    assert found["windows"] > len(load_squad(squad))  # of 80 tokens at most
    assert Path(found["file"]).is_file()
    assert tuned_settings(toy, RuntimeConfig()) == found["settings"]
    table = CliRunner().invoke(app, ["tune", "--rounds", "1"])
    assert table.exit_code == 0, table.output
    lines = [line.split("\t") for line in table.stdout.splitlines()]
    assert lines[0][:2] == ["streams", "batch tokens"]
    assert [line[1] for line in lines if line[-1] == "kept"] == ["512"]


@pytest.mark.parametrize(("fast", "words"), [(512, "kept: 2.00 times as fast"), (0, "nothing was faster")])
def test_command_on_a_terminal(
    toy: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fast: int, words: str
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    tuned = tune_with(monkeypatch, toy, fast)
    shown = io.StringIO()
    monkeypatch.setattr(shown, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", shown)
    command._show(tuned, tmp_path / "kept.json")
    assert words in shown.getvalue()
    assert "kept.json" in shown.getvalue()


def tune_with(monkeypatch: pytest.MonkeyPatch, toy: Model, fast: int) -> module.Tuned:
    fake_seconds(monkeypatch, lambda settings: 1 if settings["batch_tokens"] == fast else 2)
    return tune(toy, CONFIG, lengths=LENGTHS, rounds=1)
