"""Concurrent callers: their answers, errors, cancellations, event loops, and the thread's end."""

import asyncio
import gc
import os
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import toy_model
from spanjet import Answer, Reader, RuntimeConfig, WindowConfig
from spanjet.model import Model
from spanjet.reader.pipeline import Pipeline

TEXT = "The engineer built a tower in Paris, near the river."
WINDOWS = WindowConfig(max_length=48, doc_stride=16)


@pytest.fixture
def fresh(toy: Model, exact: RuntimeConfig) -> Reader:
    return Reader(toy, window_config=WINDOWS, runtime_config=exact)


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of questions that were answered together."""
    sizes: list[int] = []
    answer = Pipeline.answer

    def counting(self: Any, questions: Any, contexts: Any, top_k: int, threshold: Any) -> Any:
        sizes.append(len(questions))
        return answer(self, questions, contexts, top_k, threshold)

    monkeypatch.setattr(Pipeline, "answer", counting)
    return sizes


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "spanjet-batcher"]


def test_concurrent_calls_are_merged(fresh: Reader, batches: list[int]) -> None:
    expected = [fresh.ask("who?", f"{TEXT} {index}") for index in range(50)]
    batches.clear()

    async def main() -> list[Answer]:
        return await asyncio.gather(*(fresh.ask_async("who?", f"{TEXT} {index}") for index in range(50)))

    with fresh:
        assert asyncio.run(main()) == expected
    assert sum(batches) == 50
    assert len(batches) < 10


def test_top_k(fresh: Reader) -> None:
    async def main() -> tuple[Any, ...]:
        calls = [fresh.ask_async("who?", TEXT, top_k=3), fresh.ask_async("who?", TEXT, top_k=1)]
        return tuple(await asyncio.gather(*calls, fresh.ask_async("who?", fresh.prepare(TEXT))))

    with fresh:
        three, one, best = asyncio.run(main())
    assert three == fresh.ask_many(["who?"], TEXT, top_k=3)[0]
    assert one == three[:1] == [best]


def test_errors_go_to_the_caller_that_caused_them(fresh: Reader) -> None:
    async def main() -> list[Any]:
        contexts: list[Any] = [TEXT, "", TEXT, 3, "\ud800", TEXT]
        calls = [fresh.ask_async("who?", context) for context in contexts]
        return await asyncio.gather(*calls, return_exceptions=True)

    with fresh:
        first, empty, second, number, surrogate, third = asyncio.run(main())
    assert first == second == third == fresh.ask("who?", TEXT)
    assert isinstance(empty, ValueError)
    assert "context is empty" in str(empty)
    assert isinstance(number, TypeError)
    assert str(number) == "context is of type int, expected str"
    assert "lone surrogate" in str(surrogate)


def test_bad_arguments(fresh: Reader) -> None:
    with pytest.raises(TypeError, match="question: expected str, found int"):
        asyncio.run(fresh.ask_async(3, TEXT))  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="top_k"):
        asyncio.run(fresh.ask_async("who?", TEXT, top_k=0))
    with pytest.raises(TypeError, match=r"top_k is .*; expected an integer from 1"):
        asyncio.run(fresh.ask_async("who?", TEXT, top_k="1"))  # type: ignore[call-overload]
    assert not threads()


def test_cancelling_one_call_does_not_hurt_others(fresh: Reader) -> None:
    async def main() -> None:
        tasks = [asyncio.ensure_future(fresh.ask_async("who?", f"{TEXT} {index}")) for index in range(20)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for index, result in enumerate(results):
            if index % 2:
                assert result == fresh.ask("who?", f"{TEXT} {index}")
            else:
                assert isinstance(result, asyncio.CancelledError)
        assert await fresh.ask_async("who?", TEXT) == fresh.ask("who?", TEXT)

    with fresh:
        asyncio.run(main())


def test_several_event_loops(fresh: Reader) -> None:
    found: list[list[Answer]] = []

    async def main() -> list[Answer]:
        return [await fresh.ask_async("who?", TEXT) for _ in range(10)]

    with fresh:
        loops = [threading.Thread(target=lambda: found.append(asyncio.run(main()))) for _ in range(3)]
        for loop in loops:
            loop.start()
        for loop in loops:
            loop.join()
    assert found == [[fresh.ask("who?", TEXT)] * 10] * 3


def test_closing_answers_what_waits_and_asking_starts_anew(fresh: Reader) -> None:
    futures = [fresh._parts.batcher.submit("who?", TEXT, 1, None) for _ in range(30)]
    fresh.close()
    assert [future.result(0) for future in futures] == [[fresh.ask("who?", TEXT)]] * 30
    assert not threads()
    fresh.close()
    assert asyncio.run(fresh.ask_async("who?", TEXT)) == fresh.ask("who?", TEXT)
    fresh.close()
    assert not threads()


def test_the_thread_ends_with_its_reader(toy: Model, exact: RuntimeConfig) -> None:
    reader = Reader(toy, window_config=WINDOWS, runtime_config=exact)
    asyncio.run(reader.ask_async("who?", TEXT))
    assert len(threads()) == 1
    freed = weakref.ref(reader)
    del reader
    gc.collect()
    assert freed() is None
    end = time.monotonic() + 5
    while threads() and time.monotonic() < end:
        time.sleep(0.01)
    assert not threads()


def test_a_failed_inference_reaches_all_and_the_thread_goes_on(toy: Model, exact: RuntimeConfig) -> None:
    model = replace(toy, model=toy_model.build(positions=20))
    reader = Reader(model, window_config=WINDOWS, runtime_config=exact)

    async def main() -> list[Any]:
        calls = [reader.ask_async("who?", TEXT * 3) for _ in range(3)]
        return await asyncio.gather(*calls, return_exceptions=True)

    with reader:
        assert [type(error) for error in asyncio.run(main())] == [RuntimeError] * 3
        assert asyncio.run(reader.ask_async("who?", "paris")) == reader.ask("who?", "paris")


def test_a_program_ends_without_closing(tmp_path: Path) -> None:
    script = tmp_path / "end.py"
    script.write_text(
        textwrap.dedent("""
            import asyncio, pathlib, sys
            import toy_model
            from spanjet import Reader, RuntimeConfig, WindowConfig

            model = toy_model.load(pathlib.Path(sys.argv[1]))
            windows = WindowConfig(max_length=48, doc_stride=16)
            reader = Reader(model, window_config=windows, runtime_config=RuntimeConfig(cache_dir=None))
            print(asyncio.run(reader.ask_async("who", "the tower")).text)
            future = reader._parts.batcher.submit("who", "the tower", 1, None)
        """)
    )
    paths = [str(Path(toy_model.__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, str(script), str(tmp_path)]
    done = subprocess.run(command, env=environment, timeout=60, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() in "the tower"
