"""What the tests of MLPerf share: a tiny model that reads MLPerf's windows, and short runs of LoadGen."""

from pathlib import Path
from typing import Any, Literal

from spanjet import Reader, RuntimeConfig
from spanjet.bench.mlperf.loadgen.samples import Samples
from spanjet.bench.mlperf.loadgen.settings import LoadSettings
from spanjet.bench.mlperf.loadgen.system import System
from spanjet.bench.mlperf.loadgen.test import import_loadgen, run_test
from spanjet.bench.mlperf.rules import DECODING, WINDOWING, Scenario
from spanjet.evaluate import SquadDataset, load_squad
from spanjet.model import Model, load_model, write_model_directory
from spanjet.model.random_weights import Shape

TINY = Path(__file__).parents[1] / "golden" / "tiny-bert"
SQUAD = Path(__file__).parents[1] / "data" / "squad" / "v1.1.json"
SQUAD2 = SQUAD.with_name("v2.0.json")
SMALL = Shape(width=64, layers=1, heads=2, positions=400)
CARD = {
    "name": "tiny",
    "source": {"name": "golden", "weights": {"model.safetensors": {"sha256": "0"}}},
    "quantization": None,
    "evaluation": {"float32": {"f1": 5.0}},
}


def dataset() -> SquadDataset:
    return load_squad(SQUAD)


def reader(model: "Path | Model" = TINY, precision: Literal["f32"] | None = "f32") -> Reader:
    runtime = RuntimeConfig(precision=precision, cache_dir=None)
    return Reader(model, window_config=WINDOWING, decode_config=DECODING, runtime_config=runtime)


def with_card(directory: Path, **changes: Any) -> Path:
    """The tiny model as a model directory with a card."""
    companions = {name: TINY / name for name in ("config.json", "vocab.txt")}
    write_model_directory(directory, load_model(TINY).model, card={**CARD, **changes}, companions=companions)
    return directory


def short_test(system: System, samples: Samples, scenario: Scenario, directory: Path, **options: Any) -> None:
    """One LoadGen test of a fraction of a second.

    The latency is lower than any machine's: LoadGen makes as many queries as the duration may need.
    """
    load = LoadSettings(
        scenario=scenario,
        samples=len(samples),
        target_qps=100,
        target_latency=0.1,
        seconds=0.2,
        least=len(samples),
    )
    directory.mkdir(exist_ok=True)
    settings = load.build(import_loadgen(), directory / "user.conf")
    run_test(system, settings, len(samples), directory, **options)
