"""The description of the cpu."""

import os
from pathlib import Path

import numpy as np
import pytest
import spanjet
from spanjet.runtime import cpu

CPUINFO = """processor : 0
model name : Some CPU @ 2.00GHz
flags : fpu avx2 avx512f avx512_vnni

processor : 1
model name : Another
flags : fpu amx_int8
"""
SLOWER = "without VNNI is slower in INT8 than in float32"


def test_this_machine() -> None:
    described = cpu.describe_machine()
    assert described["spanjet"] == spanjet.__version__
    assert described["numpy"] == np.__version__
    assert described["cpus"] == str(len(os.sched_getaffinity(0)))


def test_the_first_processor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(CPUINFO)
    monkeypatch.setattr(cpu, "CPUINFO", tmp_path / "cpuinfo")
    described = cpu.describe_machine()
    assert described["processor"] == "Some CPU @ 2.00GHz"
    assert described["instructions"] == "avx2 avx512f avx512_vnni"
    assert described["missing"] == "avx_vnni avx512_bf16 amx_int8 amx_bf16"


def test_no_cpuinfo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cpu, "CPUINFO", tmp_path / "cpuinfo")
    assert cpu.describe_machine()["instructions"] == "none that matter"


@pytest.mark.parametrize(
    ("flags", "int8", "bf16"),
    [
        ("avx2 avx512f avx512_vnni avx512_bf16 amx_int8 amx_bf16", "AMX tiles", "AMX tiles"),
        ("avx2 avx_vnni avx512f avx512_vnni avx512_bf16", "AVX512-VNNI", "AVX512-BF16"),
        ("avx2 avx_vnni", "AVX-VNNI", "none: float32 instead"),
        (
            "avx2 avx512f",
            f"not used: AVX512 {SLOWER}",
            "none: float32 instead",
        ),
        ("avx2", f"not used: AVX2 {SLOWER}", "none: float32 instead"),
        ("sse4_2", "no vector path known: slow", "none: float32 instead"),
    ],
)
def test_inference_paths(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, flags: str, int8: str, bf16: str
) -> None:
    (tmp_path / "cpuinfo").write_text(f"model name : Some CPU\nflags : fpu {flags}\n")
    monkeypatch.setattr(cpu, "CPUINFO", tmp_path / "cpuinfo")
    assert cpu.inference_paths() == {"int8": int8, "bf16": bf16}
