"""Memory of this process, as Linux counts it."""

from contextlib import suppress
from pathlib import Path

__all__ = ["peak_megabytes", "reset_peak", "resident_megabytes"]

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")


def resident_megabytes() -> float | None:
    """Resident memory now, in megabytes of 1,000,000 bytes; None where there is no /proc."""
    return _field("VmRSS")


def peak_megabytes() -> float | None:
    """The most resident memory since the last `reset_peak`, or since the start where that is not allowed."""
    return _field("VmHWM")


def reset_peak() -> None:
    """Begin to measure the peak anew (``5`` in clear_refs, proc(5)); nothing where that is not allowed."""
    with suppress(OSError):
        CLEAR.write_text("5", encoding="ascii")


def _field(name: str) -> float | None:
    with suppress(OSError):
        for line in STATUS.read_text(encoding="ascii").splitlines():
            key, _, value = line.partition(":")
            if key == name:
                return int(value.split()[0]) * 1024 / 1e6
    return None
