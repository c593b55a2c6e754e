"""Read the memory of the process from /proc, in megabytes of 1,000,000 bytes."""

from contextlib import suppress
from pathlib import Path

__all__ = ["peak_megabytes", "reset_peak", "resident_megabytes"]

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")


def resident_megabytes() -> float | None:
    """Read the current resident memory; None without /proc."""
    return _megabytes("VmRSS")


def peak_megabytes() -> float | None:
    """Read the peak resident memory since `reset_peak`, or since the start if resetting is not permitted."""
    return _megabytes("VmHWM")


def reset_peak() -> None:
    """Reset the peak resident memory (``5`` in clear_refs, proc(5)), if permitted."""
    with suppress(OSError):
        CLEAR.write_text("5", encoding="ascii")


def _megabytes(name: str) -> float | None:
    with suppress(OSError):
        for line in STATUS.read_text(encoding="ascii").splitlines():
            key, _, value = line.partition(":")
            if key == name:
                return int(value.split()[0]) * 1024 / 1e6
    return None
