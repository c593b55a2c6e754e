"""Store the settings that `spanjet tune` found on this machine in the user's cache directory."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from spanjet.config import TUNED_DEFAULTS, RuntimeConfig
from spanjet.model import Model
from spanjet.runtime.cpu import describe_machine, usable_cpus
from spanjet.runtime.openvino import ov
from spanjet.runtime.warnings import warn_caller
from spanjet.storage import replace_file

__all__ = ["save_tuning", "tuned_settings", "tuning_file"]

DIRECTORY = "tuning"


def tuned_settings(model: Model, config: RuntimeConfig) -> dict[str, Any]:
    """Load the tuned settings of a model on this machine; empty if there are none.

    An unreadable or damaged file is ignored with a RuntimeWarning.
    """
    if config.cache_dir is None:
        return {}
    path = Path(config.cache_dir) / DIRECTORY
    try:
        if not path.is_dir():
            return {}  # the digest takes 10 ms
        path /= _name(model, config)
        if not path.is_file():
            return {}
        content = json.loads(path.read_bytes())
        settings = content["settings"] if isinstance(content, dict) else None
        if not isinstance(settings, dict) or set(settings) != set(TUNED_DEFAULTS):
            raise ValueError(f"expected the settings {', '.join(TUNED_DEFAULTS)}")
        replace(RuntimeConfig(cache_dir=None), **settings)
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        warn_caller(f"{path}: tuned settings are ignored: {reason}", RuntimeWarning)
        return {}
    return settings


def save_tuning(model: Model, config: RuntimeConfig, found: Mapping[str, Any]) -> Path | None:
    """Save tuned settings for readers of the same model on this machine, atomically.

    Args:
        model: the tuned model.
        config: its ``cache_dir``, ``threads``, ``precision`` and ``int8`` determine the file.
        found: ``settings``, by the names of `TUNED_DEFAULTS`, and any other values to store with them.

    Returns:
        The file; None without a cache directory.

    Raises:
        OSError: the file cannot be written.
    """
    path = tuning_file(model, config)
    if path is None:
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, f"{json.dumps(found, indent=1)}\n".encode())
    return path


def tuning_file(model: Model, config: RuntimeConfig) -> Path | None:
    """Return the path of a model's tuned settings on this machine, or None without a cache directory.

    Its name depends on the model's digest, the processor, threads, precision and OpenVINO's version.
    """
    if config.cache_dir is None:
        return None
    return Path(config.cache_dir) / DIRECTORY / _name(model, config)


def _name(model: Model, config: RuntimeConfig) -> str:
    machine = describe_machine()
    threads = config.threads or usable_cpus()
    parts = (
        _digest(model.model),
        machine["processor"],
        machine["instructions"],
        str(threads),
        f"{config.precision or 'default'} {config.int8}",
        machine["openvino"],
    )
    readable = re.sub(r"[^A-Za-z0-9]+", "-", f"{machine['processor']}-{threads}").strip("-").lower()
    return f"{readable}-{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()[:24]}.json"


def _digest(model: ov.Model) -> str:
    """Hash a graph's operations, types and shapes, but not its weights, which do not affect the speed."""
    digest = hashlib.sha256()
    for operation in model.get_ordered_ops():
        digest.update(operation.get_type_name().encode())
        for output in operation.outputs():
            digest.update(f" {output.get_element_type()} {output.get_partial_shape()}".encode())
    return digest.hexdigest()
