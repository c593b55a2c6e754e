"""What the operating system says of the machine and the process."""

import mmap
import os
import signal
from pathlib import Path

import numpy as np
import psutil
import pytest
from spanjet.measure.environment import describe_environment
from spanjet.runtime import machine


def test_memory_has_a_peak() -> None:
    machine.reset_peak()
    before = machine.peak_megabytes()
    # Mapped by ourselves: an allocator may serve an array from memory that it holds, and keep it afterwards.
    with mmap.mmap(-1, 200_000_000) as block:
        np.frombuffer(block, np.uint8)[::4096] = 1
    after, now = machine.peak_megabytes(), machine.resident_megabytes()
    assert before is not None
    assert after is not None
    assert after > before + 150
    assert now < after - 150


def test_peak_memory_where_the_system_does_not_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "ROOT", tmp_path / "missing")
    machine.reset_peak()
    assert machine.peak_megabytes() is None
    assert machine.resident_megabytes() > 10


def test_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    files = {
        "proc/cpuinfo": "processor\t: 0\nmicrocode\t: 0xab\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance\n",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
    monkeypatch.setattr(machine, "ROOT", tmp_path)
    found = describe_environment()
    assert found["microcode"] == "0xab"
    assert found["governor"] == "performance"
    assert found["memory"] == f"{psutil.virtual_memory().total / 1e9:.1f} GB"
    assert float(found["load"]) >= 0
    monkeypatch.setattr(machine, "ROOT", tmp_path / "missing")
    assert not {"microcode", "governor"} & set(describe_environment())


def test_cpus_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    before = machine.affinity()
    psutil.Process().cpu_affinity(before[:1])
    try:
        assert machine.affinity() == before[:1]
    finally:
        psutil.Process().cpu_affinity(before)
    monkeypatch.delattr(psutil.Process, "cpu_affinity")  # as on macOS
    assert machine.affinity() == list(range(os.cpu_count() or 1))


def test_without_forks_there_is_nothing_to_do_after_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "register_at_fork")  # as on Windows
    machine.after_fork_in_child(lambda: None)


def test_signals_that_end_a_process() -> None:
    assert machine.TERMINATION_SIGNALS == (signal.SIGTERM, signal.SIGHUP)
