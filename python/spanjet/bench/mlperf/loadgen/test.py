"""Run one test of MLCommons' LoadGen, which asks a system and writes logs."""

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
from spanjet.measure.progress import OnStep, ignore_step
from spanjet.runtime.engine import Runtime

__all__ = ["Mode", "import_loadgen", "run_test"]

Mode = Literal["PerformanceOnly", "AccuracyOnly"]

POLL_SECONDS = 0.05
PATIENCE_SECONDS = 2.0
"""How long a test that is given up is waited for."""

_one_test = threading.Lock()


def import_loadgen() -> ModuleType:
    """Import MLCommons' LoadGen, which is an optional extra.

    Raises:
        ImportError: it is not installed.
    """
    try:
        import mlperf_loadgen  # noqa: PLC0415  (an extra)
    except ImportError as error:
        raise ImportError("MLPerf needs LoadGen: pip install 'spanjet[mlperf]'") from error
    return mlperf_loadgen  # type: ignore[no-any-return]


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
    """Run one test; LoadGen has one state for the whole process, so there is one test at a time.

    Args:
        system: what answers, inside its ``with``.
        settings: LoadGen's, see `LoadSettings.build`; ``mode`` is set.
        samples: how many there are.
        directory: for LoadGen's logs.
        mode: whether it measures speed, or asks for each sample once and keeps the responses.
        audit: LoadGen's ``audit.config`` of a compliance test. A file of that name in the working directory,
            which LoadGen reads by default, is not read.
        on_step: called with the numbers of answered samples and, as far as known, of all.

    Raises:
        RuntimeError: a test is running in this process, OpenVINO failed, or this process was forked from one
            that had compiled a model.
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
    """LoadGen in a thread of its own, so that an interrupt reaches the program while it waits."""

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
        # Python 3.11 takes a thread for dead once an interrupt has come while it was joined.
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
    """Wait for the end of a test, or bring it about."""
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
    """End a test early: all that LoadGen still asks is answered with nothing.

    It asks in any case for what it has planned, and in the Server scenario by the clock. If the program ends
    before that, it does so without tearing down LoadGen, whose threads would end it with a crash.
    """
    system.stop()
    if not test.ended.wait(PATIENCE_SECONDS):
        atexit.register(_leave, test, code)


def _leave(test: _Test, code: int) -> None:
    """End the program at once if LoadGen is still at a test that was given up."""
    if not test.ended.is_set():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _meter(system: System, settings: Any, samples: int, on_step: OnStep) -> Callable[[], None]:
    """Report the progress of a test: by what is asked where that is known, else by the time."""
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
