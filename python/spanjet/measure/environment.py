"""Describe the machine and other factors that affect a benchmark."""

import os
import platform
from contextlib import suppress
from pathlib import Path

from spanjet.runtime.cpu import describe_machine

__all__ = ["describe_environment", "read_text"]

PROC = Path("/proc")
GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


def describe_environment() -> dict[str, str]:
    """Describe the machine, with its kernel, microcode, governor, memory and load if readable.

    The load is the mean number of running threads on the machine over the last minute.
    """
    read = {
        "kernel": platform.release(),
        "microcode": _value(PROC / "cpuinfo", "microcode"),
        "governor": read_text(GOVERNOR),
        "memory": _memory(),
        "load": f"{os.getloadavg()[0]:.2f}",
    }
    return {**describe_machine(), **{name: value for name, value in read.items() if value is not None}}


def _memory() -> str | None:
    found = _value(PROC / "meminfo", "MemTotal")
    return None if found is None else f"{int(found.split()[0]) * 1024 / 1e9:.1f} GB"


def _value(path: Path, name: str) -> str | None:
    """Find the first value of a name in a file of lines ``name: value``."""
    for line in (read_text(path) or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None


def read_text(path: Path) -> str | None:
    """Read a system file; None if it is missing or empty."""
    with suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace").strip() or None
    return None
