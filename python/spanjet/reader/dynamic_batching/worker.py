"""Run the batches of a pool on the streams of an engine."""

from collections.abc import Iterator

from spanjet.reader.dynamic_batching.batch import distribute, model_inputs, real_tokens
from spanjet.reader.dynamic_batching.call import Call
from spanjet.reader.dynamic_batching.worker_pool import Job, WorkerPool
from spanjet.runtime.engine import ModelInputs, Runtime

__all__ = ["work"]


def work(engine: Runtime, pool: WorkerPool, number: int) -> None:
    """Run batches, one at a time, until the pool is shut down.

    Complete calls are decoded while the thread's next batch runs, if there is one.

    Args:
        engine: engine to run the batches on.
        pool: pool that the thread belongs to.
        number: number of the thread in the pool, from 0.
    """
    if number:
        pool.streams = engine.streams
        if number >= pool.streams:
            return
    complete: list[Call] = []
    while (job := pool.take(wait=not complete)) is not None or complete:
        if job is None:
            _deliver(pool, complete)
        else:
            complete = _run(engine, pool, job, complete)


def _run(engine: Runtime, pool: WorkerPool, job: Job, before: list[Call]) -> list[Call]:
    """Run a batch, meanwhile deliver the calls that were complete before, and return those that now are."""

    def batches() -> Iterator[ModelInputs]:
        yield model_inputs(job.taken)
        _deliver(pool, before)

    try:
        for logits in engine.run(batches(), hint=job.hint):
            distribute(job.taken, logits)
    except BaseException as error:  # it goes to the callers
        complete = []
        for call in pool.failed(job):
            call.fail(error)
    else:
        complete = pool.done(job)
        _observe(pool, job)
    _deliver(pool, before)
    return complete


def _deliver(pool: WorkerPool, complete: list[Call]) -> None:
    """Make the results of complete calls, and empty their list."""
    while complete:
        call = complete.pop(0)
        call.end()
        if pool.observer is not None:
            pool.observer.call(**call.times())


def _observe(pool: WorkerPool, job: Job) -> None:
    if pool.observer is not None:
        taken = job.taken
        positions = taken.rows * taken.length
        pool.observer.batch(rows=taken.rows, tokens=real_tokens(taken), positions=positions)
