"""The precision of the word table of an optimised model."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from checkpoints import TINY
from optimizing import CONFIG, Made, run
from spanjet.compress.optimize import verify
from spanjet.compress.optimize.config import OptimizeConfig
from spanjet.compress.optimize.pareto_builder import ParetoBuilder
from spanjet.compress.optimize.time_estimate import Probe, plan_run
from spanjet.compress.prune.network import Network
from spanjet.compress.quantize import embeddings
from spanjet.compress.search.pareto import ParetoPoint
from spanjet.model import load_model

TABLE = "embeddings.word"
# Any F1 holds the floor, and there is nothing to build that `made` has not built.
LOW = replace(CONFIG, floor=0.01, bisections=0)


@pytest.fixture
def large_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a table of 159 rows be compressed, and speed be measured on few questions."""
    monkeypatch.setattr(embeddings, "_LEAST_ROWS", 64)
    monkeypatch.setattr(verify, "_SECONDS", 1e-9)


def optimized(made: Made, out: Path, config: OptimizeConfig) -> tuple[dict[str, Any], str]:
    """The card, and the precision that the word table has in the file.

    INT8 models are those that `made` built, with a word table in float32.
    """
    card = run(made[0], out, work=made[0] / "out.stages", config=config)
    kinds = {
        node.get_element_type().to_string()
        for node in load_model(out).model.get_ops()
        if node.get_type_name() == "Constant" and node.get_friendly_name().startswith(TABLE)
    }
    return card, "int4" if "i4" in kinds else "other"


@pytest.mark.usefixtures("large_enough")
def test_auto_takes_int4_where_the_floor_holds(made: Made, tmp_path: Path) -> None:
    card, stored = optimized(made, tmp_path / "out", LOW)
    found = card["optimization"]
    assert stored == "int4"
    assert [each["embeddings"] for each in found["embeddings"]] == ["int8", "int4"]
    assert [each["embedding_bytes"] for each in found["embeddings"]] == [159 * (32 + 4), 159 * (16 + 2)]
    assert found["held_out"]["optimized"]["f1"] == found["embeddings"][1]["f1"]
    assert found["chosen"]["f1"] == found["embeddings"][0]["f1"]
    assert card["quantization"]["embedding_precision"] == found["settings"]["embedding_precision"] == "auto"


@pytest.mark.parametrize(
    ("config", "rows", "expected"),
    [
        (LOW, 159, ("int4", ["int8", "int4"])),
        (replace(LOW, budget=0.5), 159, ("int8", ["int8"])),  # there is no floor then
        (LOW, 1024, ("int8", ["int8"])),  # no table is large enough
        (replace(LOW, embedding_precision="int8"), 159, ("int8", ["int8"])),
        (replace(LOW, embedding_precision="int4"), 159, ("int4", ["int4"])),
    ],
)
def test_precisions_that_are_tried(
    config: OptimizeConfig,
    rows: int,
    expected: tuple[str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(embeddings, "_LEAST_ROWS", rows)
    points, found = builder(config, monkeypatch), {"f1": 90.0}
    assert points.choose_embeddings(POINT, 89.9) == (expected[0], dict.fromkeys(expected[1], found))


def test_auto_keeps_int8_below_the_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "_LEAST_ROWS", 64)
    chosen, tried = builder(LOW, monkeypatch).choose_embeddings(POINT, 90.1)
    assert (chosen, list(tried)) == ("int8", ["int8", "int4"])


POINT = ParetoPoint(
    budget=0.5, shapes=(), predicted=0.5, measured=0.5, divergence=0.1, f1=90.0, exact_match=90.0
)


def builder(config: OptimizeConfig, monkeypatch: pytest.MonkeyPatch) -> ParetoBuilder:
    """A builder whose models all have an F1 of 90."""
    monkeypatch.setattr(ParetoBuilder, "scores", lambda *_: {"f1": 90.0})
    return ParetoBuilder(SimpleNamespace(config=config, network=Network.load(TINY)))  # type: ignore[arg-type]


@pytest.mark.usefixtures("large_enough")
def test_all_models_have_the_precision_that_is_asked_for(made: Made, tmp_path: Path) -> None:
    card, stored = optimized(made, tmp_path / "out", replace(LOW, embedding_precision="int4"))
    (tried,) = card["optimization"]["embeddings"]
    assert stored == tried["embeddings"] == card["quantization"]["embeddings"][TABLE]["precision"] == "int4"
    assert tried["f1"] == card["optimization"]["chosen"]["f1"]


def test_a_model_without_a_large_table(made: Made, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no embedding table can be INT4"):
        run(made[0], tmp_path / "new", config=replace(LOW, embedding_precision="int4"))
    assert not list(tmp_path.iterdir())


def test_settings_and_plan() -> None:
    with pytest.raises(ValueError, match="embedding_precision is 'f16'; expected 'auto' or 'int8' or 'int4'"):
        OptimizeConfig(embedding_precision="f16")  # type: ignore[arg-type]
    plans = [
        plan_run(Probe(rate=30, compiling=0.5), OptimizeConfig(embedding_precision=precision), layers=6)
        for precision in ("auto", "int8")
    ]
    assert plans[0].seconds > plans[1].seconds
