"""Concurrent callers: their answers, errors, cancellations, event loops, and the thread's end."""

import asyncio
import gc
import os
import random
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_model
from spanjet import Answer, Overloaded, QueueConfig, Reader, RuntimeConfig, WindowConfig
from spanjet.model import Model
from spanjet.reader.dynamic_batching.batcher import DynamicBatcher
from spanjet.reader.pipeline import Chunk
from spanjet.runtime.engine import Logits, ModelInputs

TEXT = "The engineer built a tower in Paris, near the river."
WINDOWS = WindowConfig(max_length=48, doc_stride=16)


@pytest.fixture
def fresh(toy: Model, exact: RuntimeConfig) -> Reader:
    return Reader(toy, window_config=WINDOWS, runtime_config=exact)


class Measured:
    """What a batcher tells its observer."""

    def __init__(self) -> None:
        self.batches: list[dict[str, int]] = []
        self.calls: list[dict[str, float]] = []
        self.preparations: list[float] = []

    def prepared(self, *, seconds: float) -> None:
        self.preparations.append(seconds)

    def batch(self, **sizes: int) -> None:
        self.batches.append(sizes)

    def call(self, **seconds: float) -> None:
        self.calls.append(seconds)


@pytest.fixture
def measured(fresh: Reader) -> Measured:
    measured = Measured()
    fresh.batcher.observe(measured)
    return measured


OTHERS: set[threading.Thread] = set()


@pytest.fixture(autouse=True)
def threads_of_others() -> None:
    """Readers that other tests share keep their threads."""
    OTHERS.clear()
    OTHERS.update(threads())


def threads() -> list[threading.Thread]:
    """Threads of batchers that began in this test."""
    found = [thread for thread in threading.enumerate() if thread.name == "spanjet-batcher"]
    return [thread for thread in found if thread not in OTHERS]


def test_concurrent_calls_are_merged(fresh: Reader, measured: Measured) -> None:
    expected = [fresh.ask("who?", f"{TEXT} {index}") for index in range(50)]

    async def main() -> list[Answer]:
        return await asyncio.gather(*(fresh.ask_async("who?", f"{TEXT} {index}") for index in range(50)))

    with fresh:
        assert asyncio.run(main()) == expected
    lengths = [len(fresh.windows(["who?"], [f"{TEXT} {index}"]).ids) for index in range(50)]
    assert sum(batch["rows"] for batch in measured.batches) == 50
    assert sum(batch["tokens"] for batch in measured.batches) == sum(lengths)
    assert all(batch["positions"] % 16 == 0 for batch in measured.batches)
    assert len(measured.batches) < 25
    assert len(measured.calls) == len(measured.preparations) == 50
    assert all(seconds >= 0 for call in measured.calls for seconds in call.values())


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
    assert str(number) == "context is of type int, expected str or Document"
    assert "lone surrogate" in str(surrogate)


def test_bad_arguments(fresh: Reader) -> None:
    with pytest.raises(TypeError, match="question: expected str, found int"):
        asyncio.run(fresh.ask_async(3, TEXT))  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="top_k"):
        asyncio.run(fresh.ask_async("who?", TEXT, top_k=0))
    with pytest.raises(TypeError, match=r"top_k is .*; expected an integer from 1"):
        asyncio.run(fresh.ask_async("who?", TEXT, top_k="1"))  # type: ignore[call-overload]
    assert not threads()


def test_a_search_checks_its_threshold_before_it_reads(fresh: Reader) -> None:
    passages = iter([TEXT, TEXT])
    with pytest.raises(ValueError, match=r"threshold is 1\.5"):
        asyncio.run(fresh.search_async("who?", passages, threshold=1.5))
    assert list(passages) == [TEXT, TEXT]


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


def submit(reader: Reader) -> "Future[list[list[Answer]]]":
    """Queue a question as `ask_async` does."""
    chunk = Chunk([TEXT], reader.windows(["who?"], [TEXT]), [])
    return reader.batcher.submit(chunk, lambda done: reader._pipeline.decode(done, 1, None))


def test_closing_answers_what_waits_and_asking_starts_anew(fresh: Reader) -> None:
    futures = [submit(fresh) for _ in range(30)]
    fresh.close()
    assert [future.result(0) for future in futures] == [[[fresh.ask("who?", TEXT)]]] * 30
    assert not threads()
    fresh.close()
    assert asyncio.run(fresh.ask_async("who?", TEXT)) == fresh.ask("who?", TEXT)
    fresh.close()
    assert not threads()


def test_a_question_that_comes_as_the_batcher_is_closed(
    fresh: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pool that it was to enter is shut down before it does."""
    expected = fresh.ask("who?", TEXT)
    for _ in range(3):  # so that the pool has all its threads
        submit(fresh).result(30)
    pool = fresh.batcher._pool
    add = pool.add

    def late(call: Any, *, limited: bool) -> bool:
        fresh.close()
        return add(call, limited=limited)

    monkeypatch.setattr(pool, "add", late)
    assert submit(fresh).result(30) == [[expected]]
    assert fresh.batcher._pool is not pool


def test_a_question_at_the_end_of_the_interpreter(fresh: Reader) -> None:
    fresh.batcher._pool.shut_down()
    with pytest.raises(RuntimeError, match="the interpreter is shutting down"):
        submit(fresh)


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
            from spanjet.reader.pipeline import Chunk

            model = toy_model.load(pathlib.Path(sys.argv[1]))
            windows = WindowConfig(max_length=48, doc_stride=16)
            reader = Reader(model, window_config=windows, runtime_config=RuntimeConfig(cache_dir=None))
            print(asyncio.run(reader.ask_async("who", "the tower")).text)
            chunk = Chunk(["the tower"], reader.windows(["who"], ["the tower"]), [])
            future = reader.batcher.submit(chunk, lambda done: done)
        """)
    )
    paths = [str(Path(toy_model.__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, str(script), str(tmp_path)]
    done = subprocess.run(command, env=environment, timeout=60, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() in "the tower"


def test_answers_do_not_depend_on_what_runs_beside_them(fresh: Reader) -> None:
    """Short and long texts, several at once and documents, from several tasks in random order."""
    generator = random.Random(5)
    texts = [toy_model.random_text(generator, words) for words in (3, 9, 20, 60, 400) for _ in range(6)]

    async def ask(text: str) -> bool:
        await asyncio.sleep(generator.random() / 50)
        kind = generator.randrange(3)
        if kind == 0:
            return await fresh.ask_async("who built it?", text) == fresh.ask("who built it?", text)
        if kind == 1:
            found = await fresh.ask_async("who?", fresh.prepare(text), top_k=3)
            return found == fresh.ask("who?", text, top_k=3)
        pairs = (["who?", "when?", "who?"], [text, TEXT, text * 2])
        return await fresh.ask_many_async(*pairs, top_k=2) == fresh.ask_many(*pairs, top_k=2)

    async def main() -> list[bool]:
        return await asyncio.gather(*(ask(text) for text in texts * 4))

    with fresh:
        assert all(asyncio.run(main()))
    assert fresh.batcher.waiting() == (0, 0)


def test_a_text_that_is_tokenized_in_a_thread(fresh: Reader) -> None:
    text = "the tower by the river. " * 3000
    with fresh:
        assert asyncio.run(fresh.ask_async("who?", text)) == fresh.ask("who?", text)
        with pytest.raises(ValueError, match="lone surrogate"):
            asyncio.run(fresh.ask_async("who?", f"{text}\ud800"))


def test_many_questions_are_one_call(fresh: Reader, measured: Measured) -> None:
    questions = ["who?", "when?"] * 20
    with fresh:
        assert asyncio.run(fresh.ask_many_async(questions, TEXT)) == fresh.ask_many(questions, TEXT)
        assert asyncio.run(fresh.ask_many_async([], [])) == []
        with pytest.raises(ValueError, match="question 1 is empty"):
            asyncio.run(fresh.ask_many_async(["who?", ""], TEXT))
    assert len(measured.calls) == 1


@pytest.mark.parametrize("passages", [40, 1200])
def test_search(fresh: Reader, passages: int) -> None:
    generator = random.Random(passages)
    texts = [(f"id {index}", toy_model.random_text(generator, 12)) for index in range(passages)]
    texts[7] = ("blank", " ")
    with fresh:
        found = asyncio.run(fresh.search_async("who built it?", texts, top_k=4, threshold=None))
        assert found == fresh.search("who built it?", texts, top_k=4, threshold=None)
        assert asyncio.run(fresh.search_async("who?", [])) == fresh.search("who?", [])
        with pytest.raises(ValueError, match=r"passages\[1\]: .*lone surrogate"):
            asyncio.run(fresh.search_async("who?", [TEXT, "\ud800"]))
        with pytest.raises(TypeError, match="question: expected str"):
            asyncio.run(fresh.search_async(["who?"], [TEXT]))  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="passages: expected an iterable"):
            asyncio.run(fresh.search_async("who?", TEXT))


def test_readers_of_one_model_share_a_batcher(fresh: Reader) -> None:
    other = fresh.with_config(window_config=WindowConfig(max_length=32, doc_stride=8))
    assert other.batcher is fresh.batcher
    with fresh:
        assert asyncio.run(other.ask_async("who?", TEXT)) == other.ask("who?", TEXT)
        del other
        gc.collect()
        assert len(threads()) == 1


# Queues that are full: an engine that runs only when it is told to.


class HeldEngine:
    """An engine of two streams whose batches end when they are released, with logits of zeros."""

    streams = 2

    def __init__(self) -> None:
        self.seconds = 0.0
        self.released = threading.Semaphore(0)
        self.begun = threading.Semaphore(0)

    def run(self, batches: Iterable[ModelInputs], *, hint: str) -> Iterator[Logits]:
        for batch in batches:
            self.begun.release()
            assert self.released.acquire(timeout=20)
            time.sleep(self.seconds)
            zeros = np.zeros(batch.input_ids.shape, np.float32)
            yield Logits(zeros, zeros)

    def wait(self) -> None:
        """Wait until a batch runs."""
        assert self.begun.acquire(timeout=20)


@pytest.fixture
def held() -> Iterator[HeldEngine]:
    engine = HeldEngine()
    yield engine
    engine.released.release(10_000)


@pytest.fixture
def call(reader: Reader) -> Callable[[int], Chunk]:
    """Make a question with about so many tokens."""

    def make(tokens: int) -> Chunk:
        text = "river " * (tokens - 6)
        return Chunk([text], reader.windows(["who?"], [text]), [])

    return make


def batcher(engine: HeldEngine, **config: Any) -> DynamicBatcher:
    return DynamicBatcher(engine, QueueConfig(**config), batch_tokens=1024, max_length=80)  # type: ignore[arg-type]


def both_streams_run(engine: HeldEngine, waiting: DynamicBatcher, call: Callable[[int], Chunk]) -> None:
    for _ in range(2):
        waiting.submit(call(30), len)  # type: ignore[arg-type]
        engine.wait()


def test_a_full_queue_refuses(held: HeldEngine, call: Callable[[int], Chunk]) -> None:
    waiting = batcher(held, max_queue_tokens=96)
    both_streams_run(held, waiting, call)
    accepted = [waiting.submit(call(30), lambda done: done, limited=True) for _ in range(3)]
    assert waiting.waiting() == (96, 2)
    with pytest.raises(Overloaded, match="96 tokens wait, max_queue_tokens is 96"):
        waiting.submit(call(30), lambda done: done, limited=True)
    with pytest.raises(Overloaded):
        waiting.check()
    held.released.release(100)
    for future in accepted:
        assert isinstance(future.result(20), Chunk)
    waiting.check()
    waiting.close()


def test_a_long_text_does_not_shut_out_short_questions(
    held: HeldEngine, call: Callable[[int], Chunk]
) -> None:
    """The queue is full for calls of one length class."""
    waiting = batcher(held, max_queue_tokens=96)
    both_streams_run(held, waiting, call)
    accepted = [waiting.submit(call(600), lambda done: done, limited=True)]
    with pytest.raises(Overloaded):
        waiting.submit(call(600), lambda done: done, limited=True)
    accepted += [waiting.submit(call(30), lambda done: done, limited=True) for _ in range(3)]
    with pytest.raises(Overloaded):
        waiting.submit(call(30), lambda done: done, limited=True)
    accepted.append(waiting.submit(call(100), lambda done: done, limited=True))
    held.released.release(1000)
    for future in accepted:
        assert isinstance(future.result(20), Chunk)
    waiting.close()


def test_what_others_prepare_refuses_nobody(held: HeldEngine, call: Callable[[int], Chunk]) -> None:
    """Room that calls have reserved is none that tokens wait in."""
    waiting = batcher(held, max_queue_tokens=96)
    reservation = waiting.reserve(10_000)
    assert reservation.future.done()
    waiting.check()
    accepted = waiting.submit(call(30), lambda done: done, limited=True)
    held.released.release(100)
    assert isinstance(accepted.result(20), Chunk)
    waiting.close()


def test_a_call_that_would_wait_too_long_is_refused(held: HeldEngine, call: Callable[[int], Chunk]) -> None:
    waiting = batcher(held, max_wait=0.5)
    held.seconds = 0.01
    held.released.release(20)
    for _ in range(20):
        waiting.submit(call(30), lambda done: done).result(20)
    held.seconds = 0
    while held.begun.acquire(blocking=False):
        pass
    both_streams_run(held, waiting, call)

    def flood() -> None:
        for _ in range(10_000):
            waiting.submit(call(30), lambda done: done, limited=True)

    with pytest.raises(Overloaded, match=r"the expected wait is 0\.\d s, max_wait is 0\.5 s") as caught:
        flood()
    assert 0 < caught.value.retry_after < 0.5
    assert waiting.expected_wait(30) > 0.5
    assert waiting.expected_wait(300) == 0
    held.released.release(10_000)
    waiting.close()


def test_a_cancelled_call_leaves_the_queue(held: HeldEngine, call: Callable[[int], Chunk]) -> None:
    waiting = batcher(held, max_queue_tokens=64)
    both_streams_run(held, waiting, call)
    first, second = (waiting.submit(call(30), lambda done: done) for _ in range(2))
    outside = waiting.reserve(32)
    assert waiting.waiting() == (64, 2)
    assert not outside.future.done()
    assert first.cancel()
    assert waiting.waiting() == (32, 2)
    assert outside.future.done()
    outside.release()
    held.released.release(100)
    assert isinstance(second.result(20), Chunk)
    waiting.close()


def test_a_cancelled_call_whose_windows_run(held: HeldEngine, call: Callable[[int], Chunk]) -> None:
    waiting = batcher(held)
    future = waiting.submit(call(500), lambda done: done)
    held.wait()
    tokens, running = waiting.waiting()
    assert tokens > 0
    assert running >= 1
    assert future.cancel()
    assert waiting.waiting()[0] == 0
    held.released.release(100)
    waiting.close()
    assert waiting.waiting() == (0, 0)


def test_questions_wait_for_each_other(held: HeldEngine, call: Callable[[int], Chunk]) -> None:
    measured = Measured()
    waiting = batcher(held, batch_wait=30.0)
    waiting.observe(measured)
    held.released.release(100)
    futures = [waiting.submit(call(38), lambda done: done) for _ in range(21)]
    assert waiting.waiting() == (21 * 48, 0)
    futures.append(waiting.submit(call(38), lambda done: done))
    futures[0].result(20)
    waiting.close()  # what is left waits no longer
    assert all(future.done() for future in futures)
    assert [batch["rows"] for batch in measured.batches] == [21, 1]


def test_waiting_for_room(toy: Model, exact: RuntimeConfig) -> None:
    """Three hundred calls through a queue that holds two: none is refused, and the queue stays short."""
    queue = QueueConfig(max_queue_tokens=96)
    most = 0

    async def main() -> list[Answer]:
        nonlocal most
        tasks = [asyncio.ensure_future(reader.ask_async("who?", f"{TEXT} {index}")) for index in range(300)]
        while not all(task.done() for task in tasks):
            most = max(most, reader.batcher.waiting()[0])
            await asyncio.sleep(0)
        return [await task for task in tasks]

    with Reader(toy, window_config=WINDOWS, runtime_config=exact, queue_config=queue) as reader:
        found = asyncio.run(main())
        assert found == [reader.ask("who?", f"{TEXT} {index}") for index in range(300)]
    assert 0 < most <= 96 + 48


def test_refusing(toy: Model, exact: RuntimeConfig) -> None:
    queue = QueueConfig(max_queue_tokens=96)

    async def main() -> list[Any]:
        calls = [reader.ask_async("who?", TEXT, when_full="raise") for _ in range(300)]
        return await asyncio.gather(*calls, return_exceptions=True)

    with Reader(toy, window_config=WINDOWS, runtime_config=exact, queue_config=queue) as reader:
        found = asyncio.run(main())
        refused = [result for result in found if isinstance(result, Overloaded)]
        assert 100 < len(refused) < 300
        assert all(result == reader.ask("who?", TEXT) for result in found if result not in refused)
        asyncio.run(reader.ask_async("who?", TEXT, when_full="raise"))
        with pytest.raises(ValueError, match="when_full is 'never'; expected 'wait' or 'raise'"):
            asyncio.run(reader.ask_async("who?", TEXT, when_full="never"))  # type: ignore[call-overload]


def test_who_is_cancelled_while_waiting_for_room_holds_none(toy: Model, exact: RuntimeConfig) -> None:
    queue = QueueConfig(max_queue_tokens=48)

    async def main() -> None:
        tasks = [asyncio.ensure_future(reader.ask_async("who?", TEXT)) for _ in range(100)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert await reader.ask_async("who?", TEXT, when_full="raise") == reader.ask("who?", TEXT)

    with Reader(toy, window_config=WINDOWS, runtime_config=exact, queue_config=queue) as reader:
        for _ in range(5):
            asyncio.run(main())
    assert reader.batcher._pool._room._reserved == 0
