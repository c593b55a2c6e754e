"""OpenVINO is imported without its telemetry, and has one core."""

import subprocess
import sys
from pathlib import Path

import pytest

TELEMETRY = """
import sys
print([name for name in sys.modules if name.startswith("openvino_telemetry")])
"""


def printed(script: str, *arguments: str) -> str:
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(
    "script",
    [
        "import spanjet.runtime.engine",
        "import sys, spanjet; spanjet.Reader(sys.argv[1]).ask('who?', 'me')",
        "import contextlib, sys; from spanjet.cli import app\n"
        "with contextlib.suppress(SystemExit): app(['info', sys.argv[1]])",
    ],
)
def test_no_telemetry(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    model = Path(__file__).parents[1] / "golden" / "tiny-bert"
    assert printed(script + TELEMETRY, str(model)).endswith("[]")


def test_what_the_user_imported_is_left_alone() -> None:
    script = "import sys, types; own = sys.modules['openvino_telemetry'] = types.ModuleType('own')\n"
    assert (
        printed(script + "import spanjet.runtime.openvino; print(sys.modules['openvino_telemetry'] is own)")
        == "True"
    )


SIGNAL = """
import os, signal, sys, threading
from spanjet import Reader

def free():
    readers.clear()

readers = [Reader(sys.argv[1])]
readers[0].ask("who?", "me")
thread = threading.Thread(target=free)
thread.start()
thread.join()
signal.signal(signal.SIGTERM, lambda *_: print("handled"))
os.kill(os.getpid(), signal.SIGTERM)
"""


def test_signals_after_another_thread_freed_a_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert printed(SIGNAL, str(Path(__file__).parents[1] / "golden" / "tiny-bert")) == "handled"
