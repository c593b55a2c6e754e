"""Fixtures that several test files share."""

from pathlib import Path
from typing import Any

import pytest
import toy_model
from spanjet import Reader, RuntimeConfig, WindowConfig
from spanjet.model import Model


@pytest.fixture(scope="session")
def data() -> Path:
    """Directory of the test data."""
    return Path(__file__).parent / "data"


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The toy model."""
    return toy_model.load(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="session")
def exact() -> RuntimeConfig:
    """Float32 arithmetic and nothing kept on disk; small batches, so that there are many."""
    return RuntimeConfig(precision="f32", cache_dir=None, batch_tokens=256)


@pytest.fixture(scope="session")
def reader(toy: Model, exact: RuntimeConfig) -> Reader:
    """A reader of the toy model, with short windows."""
    return Reader(toy, window_config=WindowConfig(max_length=48, doc_stride=16), runtime_config=exact)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A directory with inputs, an optimised model ``out`` and its ``export``; and its card."""
    import optimizing  # noqa: PLC0415  (what an optimisation imports takes seconds)

    directory = tmp_path_factory.mktemp("optimize")
    optimizing.write_inputs(directory)
    options = {"export": directory / "export", "evaluation": directory / optimizing.DATA}
    return directory, optimizing.run(directory, directory / "out", **options)
