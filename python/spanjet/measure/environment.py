"""Describe the machine and other factors that affect a benchmark."""

import platform

from spanjet.runtime import machine
from spanjet.runtime.cpu import describe_machine

__all__ = ["describe_environment"]


def describe_environment() -> dict[str, str]:
    """Describe the machine, with its kernel, microcode, governor, memory and load if readable.

    The load is the mean number of running threads on the machine over the last minute.
    """
    read = {
        "kernel": platform.release(),
        "microcode": machine.microcode(),
        "governor": machine.governor(),
        "memory": machine.total_memory(),
        "load": f"{machine.load():.2f}",
    }
    return {**describe_machine(), **{name: value for name, value in read.items() if value is not None}}
