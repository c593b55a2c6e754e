"""The precision of the word table of an optimised model."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from optimizing import CONFIG, run, write_inputs
from spanjet.compress.optimize.config import OptimizeConfig
from spanjet.compress.optimize.pareto_builder import ParetoBuilder
from spanjet.compress.optimize.time_estimate import Probe, plan_run
from spanjet.compress.quantize import embeddings
from spanjet.model import load_model

TABLE = "embeddings.word"
# Any F1 holds the floor.
LOW = replace(CONFIG, floor=0.01, budgets=(0.5,), trials=0, bisections=0)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A checkpoint whose table of 159 rows is large enough, and questions."""
    directory = tmp_path_factory.mktemp("inputs")
    write_inputs(directory)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embeddings, "_LEAST_ROWS", 64)
        yield directory


def optimized(inputs: Path, config: OptimizeConfig) -> tuple[dict[str, Any], str]:
    """The card, and the precision that the word table has in the file."""
    card = run(inputs, inputs / "out", work=inputs / "work", config=config, overwrite=True)
    kinds = {
        node.get_element_type().to_string()
        for node in load_model(inputs / "out").model.get_ops()
        if node.get_type_name() == "Constant" and node.get_friendly_name().startswith(TABLE)
    }
    stored = "int4" if "i4" in kinds else "int8" if "i8" in kinds else "float32"
    assert card["quantization"]["embeddings"][TABLE]["precision"] == stored
    return card, stored


def test_auto_takes_int4_where_the_floor_holds(inputs: Path) -> None:
    card, stored = optimized(inputs, LOW)
    found = card["optimization"]
    assert stored == "int4"
    assert [each["embeddings"] for each in found["embeddings"]] == ["int8", "int4"]
    assert [each["embedding_bytes"] for each in found["embeddings"]] == [159 * (32 + 4), 159 * (16 + 2)]
    assert found["held_out"]["optimized"]["f1"] == found["embeddings"][1]["f1"]
    assert found["chosen"]["f1"] == found["embeddings"][0]["f1"]
    assert card["quantization"]["embedding_precision"] == found["settings"]["embedding_precision"] == "auto"


def test_auto_keeps_int8_below_the_floor(inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def scores(self: ParetoBuilder, shapes: Any, precision: Any = None) -> dict[str, Any]:
        return {**measured(self, shapes, precision), **({"f1": 0.5} if precision == "int4" else {})}

    measured = ParetoBuilder.scores
    monkeypatch.setattr(ParetoBuilder, "scores", scores)
    card, stored = optimized(inputs, LOW)
    tried = card["optimization"]["embeddings"]
    assert (stored, tried[1]["f1"]) == ("int8", 0.5)
    assert card["optimization"]["held_out"]["optimized"]["f1"] == tried[0]["f1"] >= 1


def test_auto_keeps_int8_within_a_budget(inputs: Path) -> None:
    """There is no floor then."""
    card, stored = optimized(inputs, replace(LOW, budget=0.5))
    assert (stored, len(card["optimization"]["embeddings"])) == ("int8", 1)


def test_all_models_have_the_precision_that_is_asked_for(inputs: Path) -> None:
    for precision in ("int4", "int8"):
        card, stored = optimized(inputs, replace(LOW, embedding_precision=precision))
        assert stored == precision
        (tried,) = card["optimization"]["embeddings"]
        assert tried["embeddings"] == precision
        assert tried["f1"] == card["optimization"]["chosen"]["f1"]


def test_a_model_without_a_large_table(inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "_LEAST_ROWS", 1024)
    with pytest.raises(ValueError, match="no embedding table can be INT4"):
        run(inputs, inputs / "new", config=replace(LOW, embedding_precision="int4"))
    assert not (inputs / "new").exists()


def test_settings_and_plan() -> None:
    with pytest.raises(ValueError, match="embedding_precision is 'f16'; expected 'auto' or 'int8' or 'int4'"):
        OptimizeConfig(embedding_precision="f16")  # type: ignore[arg-type]
    plans = [
        plan_run(Probe(rate=30, compiling=0.5), OptimizeConfig(embedding_precision=precision), layers=6)
        for precision in ("auto", "int8")
    ]
    assert plans[0].seconds > plans[1].seconds
