"""The machine that a reader runs on, as far as it matters for speed."""

import os
import platform
from importlib import metadata
from pathlib import Path

from spanjet._core import __version__

__all__ = ["CPU_FLAGS", "describe_machine"]

CPU_FLAGS = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
"""Instructions that decide how fast INT8 and bf16 run, by Linux's names for x86."""

CPUINFO = Path("/proc/cpuinfo")


def describe_machine() -> dict[str, str]:
    """Versions, processor, its instructions, and the CPUs that this process may run on."""
    processor, flags = _processor()
    return {
        "spanjet": __version__,
        "openvino": metadata.version("openvino"),
        "numpy": metadata.version("numpy"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor,
        "instructions": " ".join(flag for flag in CPU_FLAGS if flag in flags) or "none that matter",
        "missing": " ".join(flag for flag in CPU_FLAGS if flag not in flags) or "none",
        "cpus": str(len(os.sched_getaffinity(0))),
    }


def _processor() -> tuple[str, set[str]]:
    """Name and flags of the first processor that Linux lists."""
    fields: dict[str, str] = {}
    if CPUINFO.exists():
        for line in CPUINFO.read_text(errors="replace").splitlines():
            name, _, value = line.partition(":")
            fields.setdefault(name.strip(), value.strip())
    return fields.get("model name", platform.processor() or "unknown"), set(fields.get("flags", "").split())
