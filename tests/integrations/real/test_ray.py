"""AnswerBatch in actors of Ray Data, of which some are killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray
from pages import ROOT, run_code
from question_rows import added_columns, expected_rows, write_questions
from ray.data import ActorPoolStrategy
from spanjet.integrations.arrow import AnswerBatch

PAGE = ROOT / "docs" / "distributed.md"
ROWS = 3000


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with questions, in which this process and its children run."""
    directory = tmp_path_factory.mktemp("work")
    write_questions(directory / "questions.parquet", ROWS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        yield directory


@pytest.fixture(scope="module")
def expected(work: Path) -> list[dict[str, object]]:
    return expected_rows(work / "questions.parquet", work)


@pytest.fixture(scope="module")
def cluster(work: Path) -> Iterator[None]:
    assert Path.cwd() == work  # where the workers begin
    ray.init("local", num_cpus=2, include_dashboard=False)
    yield
    ray.shutdown()


@pytest.mark.usefixtures("cluster")
def test_the_recipe(work: Path, expected: list[dict[str, object]]) -> None:
    """All rows come out once, with the answers of `answer_file`, although two CPUs have two workers."""
    run_code(PAGE, "Ray Data")
    assert added_columns(pq.read_table(work / "answers")) == expected


@pytest.mark.usefixtures("cluster")
def test_a_worker_that_is_killed(work: Path, expected: list[dict[str, object]], tmp_path: Path) -> None:
    """A worker that is killed in the middle of the run is replaced; nothing is lost or doubled."""

    class Killed(AnswerBatch):
        def __call__(self, batch: pa.Table) -> pa.Table:
            answered = super().__call__(batch)
            with (tmp_path / f"{os.getpid()}.calls").open("a") as calls:
                calls.write(f"{batch['id'][0]}\n")
            if 1000 in batch["id"].to_pylist() and not (tmp_path / "killed").exists():
                (tmp_path / "killed").write_text(str(os.getpid()))
                os.kill(os.getpid(), signal.SIGKILL)
            return answered

    rows = ray.data.read_parquet(str(work / "questions.parquet")).repartition(target_num_rows_per_block=250)
    answered = rows.map_batches(
        Killed,
        fn_constructor_kwargs={"threads": 1},
        compute=ActorPoolStrategy(size=2),
        num_cpus=0.5,
        batch_format="pyarrow",
        batch_size=None,
    )
    found = pa.concat_tables(ray.get(answered.to_arrow_refs()))
    assert added_columns(found) == expected
    killed = (tmp_path / "killed").read_text()
    calls = {path.stem: path.read_text().split() for path in tmp_path.glob("*.calls")}
    assert len(calls) == 3  # two workers, and the one that replaced the killed one
    again = [first for first in calls.pop(killed) if any(first in others for others in calls.values())]
    assert len(again) >= 1


@pytest.mark.usefixtures("cluster")
def test_a_function_in_tasks(work: Path, expected: list[dict[str, object]]) -> None:
    """Without actors, an object is pickled for each task; tasks in one process share its reader."""
    rows = ray.data.read_parquet(str(work / "questions.parquet")).repartition(target_num_rows_per_block=500)
    answered = rows.map_batches(AnswerBatch(threads=1), batch_format="pyarrow", batch_size=None)
    assert added_columns(pa.concat_tables(ray.get(answered.to_arrow_refs()))) == expected


@pytest.mark.usefixtures("cluster")
def test_without_the_batch_format(work: Path) -> None:
    rows = ray.data.read_parquet(str(work / "questions.parquet"))
    with pytest.raises(Exception, match="found dict; Ray Data gives tables with batch_format='pyarrow'"):
        rows.map_batches(AnswerBatch, compute=ActorPoolStrategy(size=1), num_cpus=0.5).materialize()


SCRIPT = """
import os, sys, threading, ray
from ray.data import ActorPoolStrategy

class Same:
    def __call__(self, batch):
        return batch

def run():
    rows = ray.data.read_parquet(sys.argv[1])
    rows.map_batches(Same, compute=ActorPoolStrategy(size=2), num_cpus=float(sys.argv[2])).materialize()
    print("complete", flush=True)

ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
thread = threading.Thread(target=run, daemon=True)
thread.start()
thread.join(float(sys.argv[3]))
os._exit(0)
"""


@pytest.mark.parametrize(("cpus", "seconds", "ends"), [("0.5", "120", True), ("1", "30", False)])
def test_actors_that_reserve_all_cpus_hang(work: Path, cpus: str, seconds: str, *, ends: bool) -> None:
    """Ray's issue 44687, which the page describes: if Ray no longer hangs, the page is to say so."""
    command = [sys.executable, "-c", SCRIPT, str(work / "questions.parquet"), cpus, seconds]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=200)
    assert ("complete" in ended.stdout) is ends
