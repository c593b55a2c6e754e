"""Settings: defaults, immutability, and refusals that name the field."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from spanjet import Calibration, DecodeConfig, RuntimeConfig, WindowConfig
from spanjet.bench.mlperf.loadgen.settings import LoadSettings
from spanjet.bench.mlperf.run import RunConfig
from spanjet.bench.mlperf.table.table import TableConfig
from spanjet.compress.optimize.config import OptimizeConfig
from spanjet.compress.quantize.config import QuantizeConfig
from spanjet.config import TUNED_DEFAULTS, default_cache_dir

SIZE = "a finite number of at least 0 and at most 1e+30"
ANY = "a finite number of at least -1e+30 and at most 1e+30"
POSITIVE = "a finite number of at least 1e-30 and at most 1e+30"


def test_defaults() -> None:
    assert dataclasses.asdict(WindowConfig()) == {
        "max_length": 384,
        "doc_stride": 128,
        "convention": "advance",
        "max_question_length": 64,
        "allow_empty": False,
    }
    assert dataclasses.asdict(DecodeConfig()) == {
        "mode": "global",
        "n_best": 20,
        "max_answer_length": 30,
        "overlap": False,
        "align_to_words": True,
        "handle_impossible_answer": False,
    }
    assert dataclasses.asdict(Calibration()) == {
        "slope": 1.0,
        "intercept": 0.0,
        "temperature": 1.0,
        "sentence_margin": 0.0,
        "threshold": None,
    }
    runtime = RuntimeConfig()
    assert (runtime.threads, runtime.streams, runtime.precision) == (None, None, None)
    assert runtime.cache_dir == default_cache_dir()


@pytest.mark.parametrize(
    ("kind", "field", "value", "error", "expected"),
    [
        (WindowConfig, "max_length", 4, ValueError, "an integer of at least 5"),
        (WindowConfig, "max_length", 384.0, TypeError, "an integer of at least 5"),
        (WindowConfig, "max_length", True, TypeError, "an integer of at least 5"),
        (WindowConfig, "doc_stride", 0, ValueError, "an integer of at least 1"),
        (WindowConfig, "doc_stride", None, TypeError, "an integer of at least 1"),
        (WindowConfig, "convention", "hf", ValueError, "'advance' or 'overlap'"),
        (WindowConfig, "convention", ["advance"], TypeError, "'advance' or 'overlap'"),
        (WindowConfig, "max_question_length", 0, ValueError, "an integer of at least 1"),
        (DecodeConfig, "mode", "best", ValueError, "'global' or 'squad' or 'hf'"),
        (DecodeConfig, "handle_impossible_answer", 1, TypeError, "True or False"),
        (WindowConfig, "allow_empty", None, TypeError, "True or False"),
        (DecodeConfig, "n_best", 0, ValueError, "an integer of at least 1"),
        (DecodeConfig, "max_answer_length", -1, ValueError, "an integer of at least 1"),
        (DecodeConfig, "overlap", 1, TypeError, "True or False"),
        (DecodeConfig, "align_to_words", None, TypeError, "True or False"),
        (Calibration, "slope", -1, ValueError, SIZE),
        (Calibration, "slope", "1", TypeError, SIZE),
        (Calibration, "slope", 1e308, ValueError, SIZE),
        (Calibration, "slope", 10**400, ValueError, SIZE),
        (Calibration, "intercept", -1e39, ValueError, ANY),
        (Calibration, "temperature", 5e-324, ValueError, POSITIVE),
        (Calibration, "temperature", float("inf"), ValueError, POSITIVE),
        (Calibration, "sentence_margin", 1e39, ValueError, SIZE),
        (Calibration, "intercept", float("nan"), ValueError, ANY),
        (Calibration, "intercept", True, TypeError, ANY),
        (Calibration, "temperature", 0, ValueError, POSITIVE),
        (Calibration, "sentence_margin", -0.5, ValueError, SIZE),
        (Calibration, "threshold", 2, ValueError, "a probability, 0 to 1, or None"),
        (Calibration, "threshold", 10**400, ValueError, "a probability, 0 to 1, or None"),
        (Calibration, "threshold", "model", TypeError, "a probability, 0 to 1, or None"),
        (QuantizeConfig, "keep_best", "no", TypeError, "True or False"),
        (OptimizeConfig, "keep_best", 1, TypeError, "True or False"),
        (RunConfig, "test01", 1, TypeError, "True or False"),
        (TableConfig, "accuracy", None, TypeError, "True or False"),
        (RuntimeConfig, "threads", 0, ValueError, "an integer of at least 1"),
        (RuntimeConfig, "streams", "2", TypeError, "an integer of at least 1"),
        (RuntimeConfig, "precision", "int8", ValueError, "'f32' or 'bf16' or 'f16'"),
        (RuntimeConfig, "cache_dir", 3, TypeError, "a path or None"),
        (RuntimeConfig, "batch_tokens", 0, ValueError, "an integer of at least 1"),
        (RuntimeConfig, "static_lengths", 1, TypeError, "True, False or None"),
        (RuntimeConfig, "pinning", "yes", TypeError, "True, False or None"),
        (RuntimeConfig, "hyper_threading", 0, TypeError, "True, False or None"),
    ],
)
def test_refuses(kind: Any, field: str, value: Any, error: type[Exception], expected: str) -> None:
    with pytest.raises(error) as caught:
        kind(**{field: value})
    assert str(caught.value) == f"{kind.__name__}.{field} is {value!r}; expected {expected}"


def test_refuses_of_settings_with_more() -> None:
    with pytest.raises(TypeError, match=r"^LoadSettings\.evenly is 1; expected True or False$"):
        LoadSettings(scenario="Offline", samples=1, evenly=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"budgets are \('a',\); expected shares"):
        OptimizeConfig(budgets=("a",))  # type: ignore[arg-type]


def test_integers_of_numpy_become_those_of_python() -> None:
    config = WindowConfig(max_length=np.int64(256), doc_stride=np.uint8(64))
    assert config == WindowConfig(max_length=256, doc_stride=64)
    assert (type(config.max_length), type(config.doc_stride)) == (int, int)


def test_numbers_of_numpy_become_those_of_python() -> None:
    config = Calibration(slope=np.float32(0.5), intercept=np.int64(2))
    assert config == Calibration(slope=0.5, intercept=2)
    assert (type(config.slope), type(config.intercept)) == (float, int)
    with pytest.raises(TypeError, match=r"^DecodeConfig\.mode is array"):
        DecodeConfig(mode=np.array(["global", "hf"]))  # type: ignore[arg-type]


def test_accepts_what_none_means() -> None:
    assert WindowConfig(max_question_length=None).max_question_length is None
    assert WindowConfig(convention="overlap", doc_stride=0).doc_stride == 0
    assert Calibration(threshold=None).threshold is None
    assert RuntimeConfig(cache_dir=None).cache_dir is None


def test_given_values_come_before_tuned_ones_and_these_before_defaults() -> None:
    tuned = {**TUNED_DEFAULTS, "streams": 3, "batch_tokens": 2048, "static_lengths": True}
    config = RuntimeConfig(batch_tokens=512, static_lengths=False, threads=2).completed(tuned)
    assert (config.streams, config.batch_tokens, config.static_lengths) == (3, 512, False)
    assert config.threads == 2
    assert RuntimeConfig().completed() == RuntimeConfig(**TUNED_DEFAULTS)
    assert config.completed() == config


def test_keyword_only_and_frozen() -> None:
    with pytest.raises(TypeError):
        WindowConfig(384)  # type: ignore[call-arg]
    with pytest.raises(dataclasses.FrozenInstanceError):
        WindowConfig().max_length = 1  # type: ignore[misc]


def test_cache_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "kept"))
    assert RuntimeConfig().cache_dir == tmp_path / "kept" / "spanjet"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert RuntimeConfig().cache_dir == tmp_path / ".cache" / "spanjet"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert RuntimeConfig().cache_dir == tmp_path / ".cache" / "spanjet"


def test_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    assert RuntimeConfig().cache_dir is None


@pytest.mark.parametrize(("longest", "expected"), [(512, 384), (384, 384), (96, 96)])
def test_windows_that_fit_a_model(longest: int, expected: int) -> None:
    assert WindowConfig.fitting(longest) == WindowConfig(max_length=expected)
