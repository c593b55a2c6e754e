"""Run one test of MLCommons' LoadGen on a system, with logs."""

import atexit
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from spanjet.bench.mlperf.loadgen.system import System
from spanjet.extras import import_extra
from spanjet.measure.progress import OnStep, ignore_step
from spanjet.runtime.engine import Runtime

__all__ = ["Mode", "import_loadgen", "run_test"]

Mode = Literal["PerformanceOnly", "AccuracyOnly"]

POLL_SECONDS = 0.05
PATIENCE_SECONDS = 2.0
"""Seconds to wait for an aborted test to finish."""

_one_test = threading.Lock()


def import_loadgen() -> ModuleType:
    """Import MLCommons' LoadGen, which is an optional extra.

    Raises:
        ImportError: LoadGen is not installed.
    """
    return import_extra("mlperf_loadgen", extra="mlperf", purpose="MLPerf needs LoadGen")  # type: ignore[no-any-return]


def run_test(
    system: System,
    settings: Any,
    samples: int,
    directory: Path,
    *,
    mode: Mode = "PerformanceOnly",
    audit: Path | None = None,
    on_step: OnStep = ignore_step,
) -> None:
    """Run one test; LoadGen has process-wide state, so only one test can run at a time.

    Args:
        system: the system under test, inside its ``with`` block.
        settings: LoadGen's settings, see `LoadSettings.build`; their ``mode`` is overwritten.
        samples: number of samples.
        directory: existing directory for LoadGen's logs.
        mode: measure the speed, or query each sample once and log the responses.
        audit: LoadGen's ``audit.config`` of a compliance test; a file of that name in the working directory,
            LoadGen's default, is ignored.
        on_step: called with the number of answered samples and, if known, of all.

    Raises:
        RuntimeError: another test is running in the process, OpenVINO failed, or the process was forked from
            one that had compiled a model.
        OSError: the directory does not exist.
    """
    loadgen = import_loadgen()
    Runtime.check_process()
    if not directory.is_dir():
        raise FileNotFoundError(f"{directory}: no such directory")  # LoadGen would log nothing
    if not _one_test.acquire(blocking=False):
        raise RuntimeError("LoadGen runs one test at a time in a process, and one is running")
    settings.mode = getattr(loadgen.TestMode, mode)
    test = _Test(loadgen, system, settings, samples, directory, audit)
    test.start()
    _attend(test, system, _meter(system, settings, samples, on_step))


class _Test(threading.Thread):
    """Thread that runs LoadGen, so that the main thread can receive interrupts."""

    def __init__(
        self,
        loadgen: ModuleType,
        system: System,
        settings: Any,
        samples: int,
        directory: Path,
        audit: Path | None,
    ) -> None:
        super().__init__(name="spanjet-loadgen", daemon=True)
        self._loadgen, self._system, self._settings = loadgen, system, settings
        self._samples, self._directory = samples, directory
        self._audit = directory / "no-audit.config" if audit is None else audit
        self.failure: Exception | None = None
        # Python 3.11 considers a thread dead once an interrupt has arrived while it was joined.
        self.ended = threading.Event()

    def run(self) -> None:
        loadgen = self._loadgen
        logs = loadgen.LogSettings()
        logs.log_output.outdir = str(self._directory)
        logs.log_output.copy_summary_to_stdout = False
        logs.enable_trace = False
        try:
            system = loadgen.ConstructSUT(self._system.issue, self._system.flush)
            # The samples are in memory from the beginning.
            library = loadgen.ConstructQSL(self._samples, self._samples, lambda _: None, lambda _: None)
            try:
                loadgen.StartTestWithLogSettings(system, library, self._settings, logs, str(self._audit))
            finally:
                loadgen.DestroyQSL(library)
                loadgen.DestroySUT(system)
        except Exception as error:
            self.failure = error
        finally:
            (self._directory / "mlperf_log_trace.json").unlink(missing_ok=True)
            _one_test.release()
            self.ended.set()


def _attend(test: _Test, system: System, tell: Callable[[], None]) -> None:
    """Wait for a test to finish, or abort it on an error or interrupt."""
    try:
        while not test.ended.wait(POLL_SECONDS) and system.failure is None:
            tell()
        tell()
    except BaseException as error:
        code = error.code if isinstance(error, SystemExit) else 130
        _end(test, system, code=code if isinstance(code, int) else 1)
        raise
    if system.failure is not None:
        _end(test, system, code=1)
        raise system.failure
    if test.failure is not None:
        raise RuntimeError(f"LoadGen failed: {test.failure}") from test.failure


def _end(test: _Test, system: System, *, code: int) -> None:
    """Abort a test: answer all remaining queries with empty responses.

    LoadGen issues its planned queries in any case, in the Server scenario on schedule. If the program exits
    before that, it does not tear down LoadGen, whose threads would crash it.
    """
    system.stop()
    if not test.ended.wait(PATIENCE_SECONDS):
        atexit.register(_leave, test, code)


def _leave(test: _Test, code: int) -> None:
    """Exit the process immediately if LoadGen still runs an aborted test."""
    if not test.ended.is_set():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _meter(system: System, settings: Any, samples: int, on_step: OnStep) -> Callable[[], None]:
    """Report the progress of a test by the number of queries if known, else by the elapsed time."""
    began, seconds = time.monotonic(), settings.min_duration_ms / 1000
    is_accuracy, is_offline = settings.mode.name == "AccuracyOnly", settings.scenario.name == "Offline"

    def tell() -> None:
        if is_offline or is_accuracy:
            total = max(system.asked, samples)
        else:
            passed = max(time.monotonic() - began, POLL_SECONDS)
            total = round(system.completed * max(1.0, seconds / passed))
        on_step(system.completed, total)

    return tell
