"""The description of the cpu."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import spanjet
from spanjet import RuntimeConfig, _core
from spanjet.model import Model
from spanjet.runtime import cpu
from spanjet.runtime.engine import Runtime
from spanjet.runtime.machine import affinity

SLOWER = "without VNNI is slower in INT8 than in float32"


def test_this_machine() -> None:
    described = cpu.describe_machine()
    assert described["spanjet"] == spanjet.__version__
    assert described["numpy"] == np.__version__
    assert described["cpus"] == str(cpu.usable_cpus())


def test_instruction_sets_and_those_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "instruction_sets", lambda: ["sse4_1", "avx2", "avx512f", "avx512_vnni"])
    monkeypatch.setattr(cpu, "processor_name", lambda: "Some CPU @ 2.00GHz")
    described = cpu.describe_machine()
    assert described["processor"] == "Some CPU @ 2.00GHz"
    assert described["instructions"] == "avx2 avx512f avx512_vnni"
    assert described["missing"] == "avx_vnni avx512_bf16 amx_int8 amx_bf16"


def test_a_processor_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "instruction_sets", list)
    monkeypatch.setattr(cpu, "processor_name", lambda: None)
    described = cpu.describe_machine()
    assert described["processor"]
    assert described["instructions"] == "none that matter"


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="only Linux tells them too")
def test_instruction_sets_are_those_that_linux_tells() -> None:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    flags = next(line for line in lines if line.startswith(("flags", "Features"))).split()
    found = _core.instruction_sets()
    assert set(found) <= set(flags)
    assert not (set(cpu.CPU_FLAGS) - set(found)) & set(flags)


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
        ("sse4_2", "not used: the CPU has no VNNI or AMX", "none: float32 instead"),
    ],
)
def test_inference_paths(monkeypatch: pytest.MonkeyPatch, flags: str, int8: str, bf16: str) -> None:
    monkeypatch.setattr(cpu, "instruction_sets", flags.split)
    assert cpu.inference_paths() == {"int8": int8, "bf16": bf16}


def container(root: Path, *, cgroup: str, files: dict[str, str], cpus: str = "0-7") -> Path:
    """A file system that shows CPUs to run on, a control group and its files."""
    written = {
        "proc/thread-self/status": f"Name:\tpython\nCpus_allowed_list:\t{cpus}\n",
        "proc/self/cgroup": cgroup,
        **{f"sys/fs/cgroup/{name}": content for name, content in files.items()},
    }
    for name, content in written.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


QUOTAS: dict[str, tuple[str, dict[str, str], int]] = {
    "none": ("0::/\n", {"cpu.max": "max 100000\n"}, 8),
    "a half more, rounded up": ("0::/\n", {"cpu.max": "250000 100000\n"}, 3),
    "whole": ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),
    "less than one": ("0::/\n", {"cpu.max": "1000 100000\n"}, 1),
    "more than there are": ("0::/\n", {"cpu.max": "6400000 100000\n"}, 8),
    "of a group above": ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "300000 100000\n"}, 3),
    "the least": ("0::/a/b\n", {"a/b/cpu.max": "200000 100000\n", "a/cpu.max": "300000 100000\n"}, 2),
    "the host's path": ("0::/../docker/x\n", {"cpu.max": "200000 100000\n"}, 2),
    "version 1": (
        "11:memory:/m\n4:cpu,cpuacct:/a\n",
        {"cpu,cpuacct/a/cpu.cfs_quota_us": "150000\n", "cpu,cpuacct/a/cpu.cfs_period_us": "100000\n"},
        2,
    ),
    "version 1, the host's path": (
        "4:cpuacct,cpu:/docker/x\n0::/\n",
        {"cpu/cpu.cfs_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "100000\n"},
        4,
    ),
    "version 1, none": (
        "4:cpu:/\n",
        {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"},
        8,
    ),
    "of another controller": (
        "4:cpuset:/a\n",
        {"cpu/a/cpu.cfs_quota_us": "100000\n", "cpu/a/cpu.cfs_period_us": "100000\n"},
        8,
    ),
    "no period": ("0::/\n", {"cpu.max": "100000 0\n"}, 8),
    "damaged": ("x\n0:\n0::/\n", {"cpu.max": "fast\n"}, 8),
}


@pytest.mark.parametrize(("cgroup", "files", "expected"), QUOTAS.values(), ids=QUOTAS)
def test_a_container_has_the_cpus_of_its_quota(
    tmp_path: Path, cgroup: str, files: dict[str, str], expected: int
) -> None:
    assert cpu.usable_cpus(container(tmp_path, cgroup=cgroup, files=files)) == expected


@pytest.mark.parametrize(("cpus", "expected"), [("0", 1), ("0-3,8", 5), ("2,4-5", 3), ("63-64", 2)])
def test_cpus_to_run_on(tmp_path: Path, cpus: str, expected: int) -> None:
    assert cpu.usable_cpus(container(tmp_path, cgroup="", files={}, cpus=cpus)) == expected


@pytest.mark.parametrize("cpus", ["", "x", "3-1", "1,,2", f"0-{2**64}"])
def test_cpus_that_cannot_be_read_are_those_of_the_system(tmp_path: Path, cpus: str) -> None:
    found = cpu.usable_cpus(container(tmp_path, cgroup="", files={}, cpus=cpus))
    assert 1 <= found <= len(affinity())


def test_a_quota_that_leaves_all_cpus_limits_nothing(tmp_path: Path) -> None:
    few, many = ({"cpu.max": f"{quota} 100000"} for quota in (100_000, 10**9))
    cpus = "0-4095"
    assert cpu.quota_threads(container(tmp_path, cgroup="0::/", files=many, cpus=cpus)) is None
    one = cpu.quota_threads(container(tmp_path, cgroup="0::/", files=few, cpus=cpus))
    assert one == (1 if len(affinity()) > 1 else None)


@pytest.mark.skipif(len(affinity()) == 1, reason="a quota of one CPU limits nothing here")
def test_openvino_has_the_threads_that_the_quota_leaves(toy: Model, tmp_path: Path) -> None:
    root = container(tmp_path, cgroup="0::/", files={"cpu.max": "50000 100000"})
    plain = RuntimeConfig(cache_dir=None)
    assert Runtime(toy.model, plain, root=root).describe()["threads"] == "1"
    assert Runtime(toy.model, replace(plain, threads=2), root=root).describe()["threads"] == "2"
