"""Read the memory of this process, as Linux counts it, in megabytes of 1,000,000 bytes."""

from contextlib import suppress
from pathlib import Path

__all__ = ["peak_megabytes", "reset_peak", "resident_megabytes"]

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")


def resident_megabytes() -> float | None:
    """Read the resident memory now; None where there is no /proc."""
    return _megabytes("VmRSS")


def peak_megabytes() -> float | None:
    """Read the most resident memory since `reset_peak`, or since the start where that is not allowed."""
    return _megabytes("VmHWM")


def reset_peak() -> None:
    """Begin to measure the peak anew (``5`` in clear_refs, proc(5)); nothing where that is not allowed."""
    with suppress(OSError):
        CLEAR.write_text("5", encoding="ascii")


def _megabytes(name: str) -> float | None:
    with suppress(OSError):
        for line in STATUS.read_text(encoding="ascii").splitlines():
            key, _, value = line.partition(":")
            if key == name:
                return int(value.split()[0]) * 1024 / 1e6
    return None
