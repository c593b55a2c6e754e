"""Ask the operating system about the machine and this process: the home of what differs between systems."""

import os
import platform
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

__all__ = [
    "TERMINATION_SIGNALS",
    "affinity",
    "after_fork_in_child",
    "firmware",
    "governor",
    "load",
    "microcode",
    "operating_system",
    "peak_megabytes",
    "physical_cores",
    "reset_peak",
    "resident_megabytes",
    "reuse_address",
    "sockets",
    "total_memory",
]

TERMINATION_SIGNALS: tuple[signal.Signals, ...] = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""Signals that ask a process to end, besides Ctrl-C's; Windows has no SIGHUP."""

ROOT = Path("/")
"""Root of the file system, whose ``proc`` and ``sys`` are read on Linux."""


def after_fork_in_child(function: Callable[[], None]) -> None:
    """Register a function to be called in each forked child; without effect where processes do not fork."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=function)


def reuse_address(unbound: socket.socket) -> None:
    """Let a socket bind to the address of a server that has just ended.

    Windows permits that anyway, and with the option would let several servers listen at one address.
    """
    if os.name != "nt":
        unbound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)


def affinity() -> list[int]:
    """Return the numbers of the CPUs that this process may run on; all where the system has no affinity."""
    read: Callable[[], list[int]] | None = getattr(psutil.Process(), "cpu_affinity", None)
    return list(range(os.cpu_count() or 1)) if read is None else sorted(read())


def resident_megabytes() -> float:
    """Return the resident memory of the process, in megabytes of 1,000,000 bytes."""
    return float(psutil.Process().memory_info().rss) / 1e6


def peak_megabytes() -> float | None:
    """Return the peak resident memory since `reset_peak`, or since the start where that is not permitted.

    In megabytes of 1,000,000 bytes; None where the system does not say (macOS).
    """
    found = _value(ROOT / "proc/self/status", "VmHWM")
    if found is not None:
        return int(found.split()[0]) * 1024 / 1e6
    windows: int | None = getattr(psutil.Process().memory_info(), "peak_wset", None)
    return None if windows is None else windows / 1e6


def reset_peak() -> None:
    """Reset the peak resident memory, if permitted (Linux: ``5`` in clear_refs, proc(5))."""
    with suppress(OSError):
        (ROOT / "proc/self/clear_refs").write_text("5", encoding="ascii")


def total_memory() -> str:
    """Return the memory of the machine, in gigabytes of 1,000,000,000 bytes."""
    return f"{psutil.virtual_memory().total / 1e9:.1f} GB"


def load() -> float:
    """Return the mean number of running threads on the machine over the last minute."""
    return float(psutil.getloadavg()[0])


def operating_system() -> str:
    """Return the name of the operating system's distribution or version."""
    with suppress(OSError, KeyError):
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    return f"{platform.system()} {platform.release()}".strip()


def microcode() -> str | None:
    """Return the version of the processor's microcode; None where the system does not say."""
    return _value(ROOT / "proc/cpuinfo", "microcode")


def governor() -> str | None:
    """Return the policy that sets the processor's frequency; None where the system does not say."""
    return _read(ROOT / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


def firmware() -> str | None:
    """Return vendor, version and date of the BIOS; None where the system does not say."""
    found = (_read(ROOT / "sys/class/dmi/id" / f"bios_{name}") for name in ("vendor", "version", "date"))
    return " ".join(text for text in found if text) or None


def physical_cores() -> int:
    """Count the physical cores of the process's CPUs; hyper-threads of one core count once."""
    return len(_cores())


def sockets() -> int:
    """Count the processor packages that the process's CPUs are in."""
    return len({package for package, _ in _cores()})


def _cores() -> set[tuple[str | None, str]]:
    """Find the package and number of each physical core; each CPU is one where the system does not say."""
    cores = set()
    for cpu in affinity():
        place = ROOT / f"sys/devices/system/cpu/cpu{cpu}/topology"
        cores.add((_read(place / "physical_package_id"), _read(place / "core_id") or f"cpu{cpu}"))
    return cores


def _value(path: Path, name: str) -> str | None:
    """Find the first value of a name in a file of lines ``name: value``."""
    for line in (_read(path) or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None


def _read(path: Path) -> str | None:
    """Read a system file; None if it is missing or empty."""
    with suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace").strip() or None
    return None
