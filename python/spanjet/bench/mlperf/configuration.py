"""Describe the machine and software configuration to publish with results."""

from datetime import datetime, timezone
from importlib import metadata

from spanjet.measure.environment import describe_environment
from spanjet.runtime import machine

__all__ = ["describe_configuration"]

PACKAGES = {"nncf": "nncf", "LoadGen": "mlcommons-loadgen"}
UNKNOWN = "unknown"


def describe_configuration() -> dict[str, str]:
    """Describe the machine and the software versions; unreadable values are "unknown"."""
    found = describe_environment()
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "processor": found["processor"],
        "instructions": found["instructions"],
        "vCPUs": found["cpus"],
        "cores": str(machine.physical_cores()),
        "sockets": str(machine.sockets()),
        "memory": found["memory"],
        "BIOS": machine.firmware() or UNKNOWN,
        "microcode": found.get("microcode", UNKNOWN),
        "operating system": machine.operating_system(),
        "kernel": found["kernel"],
        "governor": found.get("governor", UNKNOWN),
        "load": found["load"],
        **{name: found[name] for name in ("spanjet", "openvino", "numpy", "python")},
        **{name: _version(package) for name, package in PACKAGES.items()},
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
