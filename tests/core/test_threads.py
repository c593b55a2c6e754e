"""Threads and processes: the interpreter is free while the core works, and results do not depend on them."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import peer
import pytest
import texts
from numpy.typing import NDArray
from spanjet import Tokenizer, Windows, _core, decode_spans
from spanjet.runtime.machine import affinity


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return texts.passages(300, seed=21)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(peer.CASED, threads=4)


def questions(count: int) -> list[str]:
    return [f"who is the [MASK] of {index}?" for index in range(count)]


def logits(windows: Windows) -> NDArray[np.float32]:
    # Few values, so that a different order of work would show in the order of equals.
    return np.random.default_rng(22).integers(0, 3, (2, len(windows.ids))).astype(np.float32)


def everything(tokenizer: Tokenizer, lines: list[str]) -> list[NDArray[Any]]:
    """What each call returns for some texts."""
    many = tokenizer.encode_batch(lines)
    windows = tokenizer.windows(questions(len(lines)), lines, max_length=100, doc_stride=20)
    found: list[NDArray[Any]] = [many.ids, many.offsets, many.byte_offsets, many.indptr]
    found += [windows.ids, windows.indptr, windows.question, windows.context_start, windows.context_offset]
    for mode in ("global", "squad"):
        spans = decode_spans(windows, *logits(windows), mode=mode, top_k=5)
        found += [spans.indptr, spans.start, spans.end, spans.score, spans.no_answer, spans.window]
    return found


def assert_same(one: list[NDArray[Any]], other: list[NDArray[Any]]) -> None:
    for first, second in zip(one, other, strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("threads", [2, 3, 16, None])
def test_same_results_with_any_number_of_threads(lines: list[str], threads: int | None) -> None:
    alone = Tokenizer(peer.CASED, threads=1)
    other = Tokenizer(peer.CASED, threads=threads)
    assert alone.threads == 1
    assert other.threads == threads if threads else other.threads >= 1
    assert_same(everything(alone, lines), everything(other, lines))


def test_default_threads_are_the_cpus_that_this_process_may_use() -> None:
    assert Tokenizer(peer.CASED).threads == _core.usable_cpus() <= len(affinity())


def counted(work: Callable[[], object]) -> tuple[int, float]:
    """How often a Python thread comes to run while ``work`` does, and how long that takes."""
    ticks, stop, ready = 0, threading.Event(), threading.Event()

    def count() -> None:
        nonlocal ticks
        ready.set()
        while not stop.is_set():
            time.sleep(0.0005)
            ticks += 1

    counter = threading.Thread(target=count)
    counter.start()
    ready.wait()
    before, begin = ticks, time.perf_counter()
    work()
    seconds, after = time.perf_counter() - begin, ticks
    stop.set()
    counter.join()
    return after - before, seconds


@pytest.mark.skipif(not getattr(sys, "_is_gil_enabled", lambda: True)(), reason="no interpreter lock")
def test_counter_sees_a_held_interpreter() -> None:
    numbers = np.random.default_rng(23).permutation(600_000).tolist()
    ticks, seconds = counted(lambda: sorted(numbers))
    assert seconds > 0.02
    # It could tick 2,000 times a second; the machine may be busy before and after the work.
    assert ticks < 200 * seconds


@pytest.mark.parametrize("call", ["encode", "encode_batch", "windows", "global", "squad", "batch"])
def test_interpreter_is_released(lines: list[str], call: str) -> None:
    tokenizer = Tokenizer(peer.CASED, threads=1)
    long = lines * 2
    much = long * 4
    text = "\n".join(much)
    asked = questions(len(long))
    windows = tokenizer.windows(asked, long, max_length=64, doc_stride=16)
    values = logits(windows)
    rows = np.arange(len(windows))
    work: dict[str, Callable[[], object]] = {
        "encode": lambda: tokenizer.encode(text),
        "encode_batch": lambda: tokenizer.encode_batch(much),
        "windows": lambda: tokenizer.windows(asked, long, max_length=64, doc_stride=1),
        "batch": lambda: windows.batch(rows, length=512),
        "global": lambda: decode_spans(windows, *values, mode="global", top_k=100),
        "squad": lambda: decode_spans(windows, *values, mode="squad", n_best=60),
    }
    ticks, seconds = counted(work[call])
    # A call that kept the interpreter would let the counter run once or twice, whatever it takes.
    assert seconds > 0.01, f"{seconds:.4f} s are too short to tell"
    assert ticks >= 5, f"{ticks} ticks in {seconds:.3f} s"


def test_one_tokenizer_in_many_threads(tokenizer: Tokenizer, lines: list[str]) -> None:
    wanted = everything(tokenizer, lines[:60])

    def work(_: int) -> list[NDArray[Any]]:
        return everything(tokenizer, lines[:60])

    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(work, range(24)):
            assert_same(found, wanted)


def test_one_encoding_in_many_threads(tokenizer: Tokenizer, lines: list[str]) -> None:
    many = tokenizer.encode_batch(lines)
    barrier = threading.Barrier(8)

    def work(_: int) -> tuple[NDArray[Any], list[list[str]]]:
        barrier.wait()
        return many.offsets, [many[index].tokens for index in range(len(many))]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(work, range(8)))
    for offsets, tokens in found[1:]:
        np.testing.assert_array_equal(offsets, found[0][0])
        assert tokens == found[0][1]


def test_scatter_into_one_array_from_many_threads(tokenizer: Tokenizer, lines: list[str]) -> None:
    windows = tokenizer.windows(questions(len(lines)), lines)
    lengths = np.diff(windows.indptr)
    wanted = np.arange(len(windows.ids), dtype=np.float32)
    out = np.full_like(wanted, np.nan)
    threads = 8
    barrier = threading.Barrier(threads)

    def work(rows: NDArray[np.int64]) -> None:
        values = np.zeros((len(rows), int(lengths.max())), np.float32)
        for line, row in zip(values, rows, strict=True):
            line[: lengths[row]] = wanted[windows.indptr[row] : windows.indptr[row + 1]]
        barrier.wait()
        for _ in range(1_000):
            windows.scatter(rows, values, out)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, np.array_split(np.arange(len(windows)), threads)))
    np.testing.assert_array_equal(out, wanted)


def in_child(tokenizer: Tokenizer, lines: list[str], target: Path) -> int:
    """Exit status of a forked child that uses the parent's tokenizer; killed if it hangs."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            np.savez(target, *everything(tokenizer, lines))
            status = 0
        finally:
            os._exit(status)
    return wait_for(child)


def wait_for(child: int) -> int:
    """Exit status of a forked child, which is killed if it hangs."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return pytest.fail("the forked child hangs")


# Python warns that a fork with threads may deadlock; that it does not is what is tested.
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("used_before", [False, True])
def test_forked_child(lines: list[str], tmp_path: Path, used_before: bool) -> None:
    tokenizer = Tokenizer(peer.CASED, threads=4)
    if used_before:
        everything(tokenizer, lines)
    target = tmp_path / "found.npz"
    assert in_child(tokenizer, lines, target) == 0
    wanted = everything(tokenizer, lines)
    with np.load(target) as found:
        assert_same([found[name] for name in found.files], wanted)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked_while_other_threads_work(lines: list[str], tmp_path: Path) -> None:
    tokenizer = Tokenizer(peer.CASED, threads=4)
    wanted = everything(tokenizer, lines[:40])
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            everything(tokenizer, lines[:40])

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    try:
        for index in range(8):
            target = tmp_path / f"{index}.npz"
            assert in_child(tokenizer, lines[:40], target) == 0
            with np.load(target) as found:
                assert_same([found[name] for name in found.files], wanted)
    finally:
        stop.set()
        for worker in workers:
            worker.join()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked_while_another_thread_decodes_first() -> None:
    """What a first decoding computes, and later ones share, is computed anew in the child."""
    tokenizer = Tokenizer(peer.CASED, threads=1)
    for index in range(4):
        windows = tokenizer.windows(["what?"] * 200, [f"It's {n}. " * 200 for n in range(200)])
        logits = np.zeros(len(windows.ids), np.float32)
        first = threading.Thread(target=decode_spans, args=(windows, logits, logits))
        first.start()
        time.sleep(0.002 * index)
        child = os.fork()
        if child == 0:
            decode_spans(windows, logits, logits)
            os._exit(0)
        assert wait_for(child) == 0
        first.join()


_shared: Tokenizer | None = None


def _count(text: str) -> int:
    if _shared is None:
        raise RuntimeError("the child has not inherited the tokenizer")
    return len(_shared.encode_batch([text] * 8).ids)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_pool_of_forked_processes(
    tokenizer: Tokenizer, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "_shared", tokenizer)
    wanted = [_count(line) for line in lines]
    with get_context("fork").Pool(3) as pool:
        found = pool.map_async(_count, lines, chunksize=7).get(timeout=120)
    assert found == wanted
