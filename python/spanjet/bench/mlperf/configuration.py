"""Describe the machine and software configuration to publish with results."""

import os
import platform
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

from spanjet.measure.environment import describe_environment, read_text

__all__ = ["describe_configuration", "physical_cores"]

CPUS = Path("/sys/devices/system/cpu")
FIRMWARE = Path("/sys/class/dmi/id")
PACKAGES = {"nncf": "nncf", "LoadGen": "mlcommons-loadgen"}
UNKNOWN = "unknown"


def describe_configuration() -> dict[str, str]:
    """Describe the machine and the software versions; unreadable values are "unknown"."""
    found = describe_environment()
    firmware = [read_text(FIRMWARE / name) for name in ("bios_vendor", "bios_version", "bios_date")]
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "processor": found["processor"],
        "instructions": found["instructions"],
        "vCPUs": found["cpus"],
        "cores": str(physical_cores()),
        "sockets": str(len({package for package, _ in _cores()})),
        "memory": found.get("memory", UNKNOWN),
        "BIOS": " ".join(text for text in firmware if text) or UNKNOWN,
        "microcode": found.get("microcode", UNKNOWN),
        "operating system": _operating_system(),
        "kernel": found["kernel"],
        "governor": found.get("governor", UNKNOWN),
        "load": found["load"],
        **{name: found[name] for name in ("spanjet", "openvino", "numpy", "python")},
        **{name: _version(package) for name, package in PACKAGES.items()},
    }


def physical_cores() -> int:
    """Count the physical cores of the process's CPUs; hyper-threads of one core count once."""
    return len(_cores())


def _cores() -> set[tuple[str | None, str]]:
    """Find the package and number of each physical core."""
    cores = set()
    for cpu in os.sched_getaffinity(0):
        place = CPUS / f"cpu{cpu}" / "topology"
        cores.add((read_text(place / "physical_package_id"), read_text(place / "core_id") or f"cpu{cpu}"))
    return cores


def _operating_system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
