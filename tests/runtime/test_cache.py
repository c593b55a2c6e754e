"""The cache of compiled models, used by several processes at once."""

import subprocess
import sys
from pathlib import Path

TINY = Path(__file__).parents[1] / "golden" / "tiny-bert"

ASK = """
import sys
from spanjet import Reader, RuntimeConfig

reader = Reader(sys.argv[1], runtime_config=RuntimeConfig(cache_dir=sys.argv[2], threads=1))
sys.stdin.readline()
print(reader.ask("who built it?", "it was built by clara hansen in 1903.").text)
"""


def test_processes_that_begin_together_share_an_empty_cache(tmp_path: Path) -> None:
    """OpenVINO alone lets some of them end with SIGBUS (about one in eight)."""
    command = [sys.executable, "-W", "ignore", "-c", ASK, str(TINY), str(tmp_path / "cache")]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(6)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=240)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 6
    assert len(set(answers)) == 1
    assert answers[0]
    assert list((tmp_path / "cache").glob("*.blob"))
