"""Kept settings: what readers take, what is ignored, and for whom they hold."""

import json
import warnings
from dataclasses import replace
from errno import ENOSPC
from pathlib import Path
from typing import Any

import pytest
import toy_model
from spanjet import Reader, RuntimeConfig, WindowConfig
from spanjet.config import TUNED_DEFAULTS
from spanjet.model import Model
from spanjet.reader.tuned_settings import save_tuning, tuned_settings, tuning_file
from spanjet.runtime import cpu as cpu_module

SETTINGS = {**TUNED_DEFAULTS, "streams": 1, "batch_tokens": 333}
WINDOWS = WindowConfig(max_length=48, doc_stride=16)


@pytest.fixture
def config(tmp_path: Path) -> RuntimeConfig:
    return RuntimeConfig(cache_dir=tmp_path / "cache", precision="f32")


def test_readers_take_what_was_found(toy: Model, config: RuntimeConfig) -> None:
    assert tuned_settings(toy, config) == {}
    path = save_tuning(toy, config, {"settings": SETTINGS, "more": 1})
    assert path is not None
    assert path == tuning_file(toy, config)
    assert json.loads(path.read_text())["more"] == 1
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert tuned_settings(toy, config) == SETTINGS
    given = replace(config, batch_tokens=444)
    runtime = Reader(toy, window_config=WINDOWS, runtime_config=given).runtime_config
    assert (runtime.streams, runtime.batch_tokens) == (1, 444)
    assert runtime.static_lengths is TUNED_DEFAULTS["static_lengths"]


def test_nothing_is_kept_without_a_cache(toy: Model, config: RuntimeConfig) -> None:
    nowhere = replace(config, cache_dir=None)
    assert save_tuning(toy, nowhere, {"settings": SETTINGS}) is None
    assert tuned_settings(toy, nowhere) == {}


def test_others_have_their_own(toy: Model, config: RuntimeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    save_tuning(toy, config, {"settings": SETTINGS})
    other = replace(toy, model=toy_model.build(element_type="i64"))
    assert tuned_settings(other, config) == {}
    assert tuned_settings(toy, replace(config, threads=7)) == {}
    assert tuned_settings(toy, replace(config, precision="bf16")) == {}
    assert tuned_settings(toy, replace(config, int8=False)) == {}
    assert tuned_settings(replace(toy, model=toy_model.build()), config) == SETTINGS
    described = cpu_module.describe_machine()
    for name in ("processor", "openvino", "instructions"):
        changed = {**described, name: "another"}
        monkeypatch.setattr("spanjet.reader.tuned_settings.describe_machine", lambda changed=changed: changed)
        assert tuned_settings(toy, config) == {}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"null",
        b"{}",
        b'{"settings": 3}',
        b'{"settings": {"streams": 1}}',
        json.dumps({"settings": {**SETTINGS, "length_multiple": 16, "length_excess": 4}}).encode(),
        json.dumps({"settings": {**SETTINGS, "batch_tokens": 0}}).encode(),
        json.dumps({"settings": {**SETTINGS, "batch_tokens": "1"}}).encode(),
        json.dumps({"settings": {**SETTINGS, "static_lengths": 1}}).encode(),
        b"[" * 100_000,
    ],
)
def test_damaged_files_are_ignored(toy: Model, config: RuntimeConfig, content: bytes) -> None:
    path = save_tuning(toy, config, {"settings": SETTINGS})
    assert path is not None
    path.write_bytes(content)
    with pytest.warns(RuntimeWarning, match="tuned settings are ignored"):
        reader = Reader(toy, window_config=WINDOWS, runtime_config=config)
    assert reader.runtime_config == config.completed()


def test_a_cache_that_cannot_be_searched_has_none(
    toy: Model, config: RuntimeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a home directory that is another user's; who is root may search all."""

    def refuse(*_: Any, **__: Any) -> bool:
        raise PermissionError("denied")

    monkeypatch.setattr(Path, "is_dir", refuse)
    with pytest.warns(RuntimeWarning, match="tuned settings are ignored: denied"):
        assert tuned_settings(toy, config) == {}


def test_a_directory_in_the_file_s_place(toy: Model, config: RuntimeConfig) -> None:
    path = tuning_file(toy, config)
    assert path is not None
    path.mkdir(parents=True)
    with warnings.catch_warnings():
        assert tuned_settings(toy, config) == {}


def test_nothing_is_left_of_a_failed_write(
    toy: Model, config: RuntimeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_tuning(toy, config, {"settings": SETTINGS})
    assert path is not None

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(ENOSPC, "full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="full"):
        save_tuning(toy, config, {"settings": {**SETTINGS, "streams": 9}})
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert tuned_settings(toy, config) == SETTINGS
