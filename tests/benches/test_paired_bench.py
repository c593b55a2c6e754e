"""The paired comparison of models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from spanjet import Reader, RuntimeConfig
from spanjet.evaluate import evaluate, load_squad
from spanjet.model.directory import BUNDLED_MODEL

from benches import paired


def test_models_are_compared_question_by_question(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    squad, model = data / "squad" / "v2.0.json", str(BUNDLED_MODEL)
    monkeypatch.setattr("sys.argv", ["paired", str(squad), model, f"{model}@f32"])
    paired.main()
    lines = capsys.readouterr().out.splitlines()
    assert (
        lines[0]
        == f"{len([each for each in load_squad(squad).questions if each.answers])} questions with an answer"
    )
    assert len(lines) == 6
    first, second = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines[4:])
    assert (first[0], first[2], first[4]) == (model, "", "")
    assert second[0] == f"{model}@f32"
    difference, low, high = (float(part.strip("()")) for part in second[2].replace("to ", "").split())
    assert low <= difference <= high
    assert difference == pytest.approx(float(second[1]) - float(first[1]), abs=0.011)
    dataset = load_squad(squad)
    found = evaluate(Reader(runtime_config=RuntimeConfig(cache_dir=None)), dataset, threshold=None)
    assert found.scores.has_answer is not None
    assert float(first[1]) == pytest.approx(found.scores.has_answer.f1, abs=0.01)
    assert float(first[3]) == pytest.approx(found.scores.best_f1, abs=0.01)


def test_null_answers_are_given_above_the_best_threshold(data: Path) -> None:
    dataset = load_squad(data / "squad" / "v2.0.json")
    found = evaluate(Reader(runtime_config=RuntimeConfig(cache_dir=None)), dataset, threshold=None)
    line = paired.grades(dataset, paired.Asked("bundled", found.spans, found.no_answer))
    assert line.v2 is not None
    assert len(line.v2) == len(dataset.questions) > len(line.span)
    assert 100 * float(np.mean(line.v2)) == pytest.approx(found.scores.best_f1)


def test_other_precisions_are_refused() -> None:
    with pytest.raises(ValueError, match="precision 'f64'; expected f32, bf16, f16"):
        paired.reader_of(f"{BUNDLED_MODEL}@f64")


def test_a_comparison_may_end_early(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = load_squad(data / "squad" / "v2.0.json")
    monkeypatch.setattr(paired, "PART", 3)
    early, late = (
        paired.measure(dataset, [str(BUNDLED_MODEL)], minutes=minutes, seed=0)[0] for minutes in (0, 10)
    )
    assert early.v2 is not None
    assert late.v2 is not None
    assert (len(early.v2), len(late.v2)) == (3, len(dataset))
