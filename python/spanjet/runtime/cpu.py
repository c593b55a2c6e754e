"""Describe the processor features that affect inference."""

import platform
from importlib import metadata
from pathlib import Path

from spanjet._core import __version__, instruction_sets, processor_name, usable_cpus
from spanjet.runtime.machine import ROOT, affinity

__all__ = [
    "CPU_FLAGS",
    "describe_machine",
    "fused_products_round_by_rows",
    "has_int8_products",
    "inference_paths",
    "int8_saturates",
    "int8_unless_saturating",
    "quota_threads",
    "usable_cpus",
]

CPU_FLAGS = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
"""Instruction sets that determine the speed of INT8 and bf16, by Linux's names for x86."""

INT8_PATHS = (
    ("amx_int8", "AMX tiles"),
    ("avx512_vnni", "AVX512-VNNI"),
    ("avx_vnni", "AVX-VNNI"),
    ("avx512f", "not used: AVX512 without VNNI is slower in INT8 than in float32"),
    ("avx2", "not used: AVX2 without VNNI is slower in INT8 than in float32"),
)
VNNI_FLAGS = ("amx_int8", "avx512_vnni", "avx_vnni")
BF16_PATHS = (("amx_bf16", "AMX tiles"), ("avx512_bf16", "AVX512-BF16"))


def describe_machine() -> dict[str, str]:
    """Describe versions, the processor, its instruction sets, and the usable CPUs."""
    flags = instruction_sets()
    return {
        "spanjet": __version__,
        "openvino": metadata.version("openvino"),
        "numpy": metadata.version("numpy"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor_name() or platform.processor() or "unknown",
        "instructions": " ".join(flag for flag in CPU_FLAGS if flag in flags) or "none that matter",
        "missing": " ".join(flag for flag in CPU_FLAGS if flag not in flags) or "none",
        "cpus": str(usable_cpus()),
    }


def quota_threads(root: Path = ROOT) -> int | None:
    """Return the number of threads that a container's CPU quota allows.

    Args:
        root: directory whose ``proc`` and ``sys`` are read.

    Returns:
        None if the quota does not limit the CPUs that the process may run on.
    """
    cpus = usable_cpus(root)
    return cpus if cpus < len(affinity()) else None


def inference_paths() -> dict[str, str]:
    """Name the instruction sets that OpenVINO uses on this CPU for INT8 and bf16 matrix products."""
    flags = instruction_sets()
    return {
        "int8": next(
            (path for flag, path in INT8_PATHS if flag in flags), "not used: the CPU has no VNNI or AMX"
        ),
        "bf16": next((path for flag, path in BF16_PATHS if flag in flags), "none: float32 instead"),
    }


def has_int8_products() -> bool:
    """Return True if this CPU has instructions for INT8 products that OpenVINO is tested with (VNNI, AMX).

    On AArch64, emulated by QEMU, OpenVINO 2026.4.1 gave logits of a MiniLM-L6 that are wrong by up to 16
    in INT8, without an error, and right ones in floating point.
    """
    return bool(set(instruction_sets()) & set(VNNI_FLAGS))


def fused_products_round_by_rows() -> bool:
    """Return True if float32 products with a function fused into them round by their number of rows here.

    This is so on x86 without AVX-512 (see `spanjet.runtime.fusion`).
    """
    flags = instruction_sets()
    return "avx2" in flags and "avx512f" not in flags


def int8_saturates() -> bool:
    """Return True if INT8 sums can saturate on this CPU (x86 without VNNI and AMX).

    Such a processor adds two products of 8-bit numbers in 16 bits (``vpmaddubsw``), which suffices only for
    weights from -64 to 64.
    """
    return bool(set(instruction_sets()) & {"sse4_1", "avx2", "avx512f"}) and not has_int8_products()


def int8_unless_saturating(*, half_range: bool) -> bool | None:
    """Choose `RuntimeConfig.int8` to measure a model in INT8 unless that would be wrong here.

    Sums that saturate would not be representative of the CPUs that the model is for.

    Args:
        half_range: True if the model's weights lie within ±64, so that no sums saturate.

    Returns:
        True, or None if sums can saturate or the CPU is none whose INT8 products are tested.
    """
    return True if has_int8_products() or (half_range and int8_saturates()) else None
