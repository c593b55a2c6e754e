"""Run the batches of a crew on the streams of an engine."""

from collections.abc import Iterator

from spanjet.reader.dynamic_batching.batch import distribute, model_inputs, real_tokens
from spanjet.reader.dynamic_batching.call import Call
from spanjet.reader.dynamic_batching.crew import Crew, Job
from spanjet.runtime.engine import ModelInputs, Runtime

__all__ = ["work"]


def work(engine: Runtime, crew: Crew, number: int) -> None:
    """Run batches, one at a time, until the crew is dismissed.

    Complete calls are decoded while the thread's next batch runs, if there is one.

    Args:
        engine: engine to run the batches on.
        crew: crew that the thread belongs to.
        number: number of the thread in the crew, from 0.
    """
    if number:
        crew.streams = engine.streams
        if number >= crew.streams:
            return
    complete: list[Call] = []
    while (job := crew.take(wait=not complete)) is not None or complete:
        if job is None:
            _deliver(crew, complete)
        else:
            complete = _run(engine, crew, job, complete)


def _run(engine: Runtime, crew: Crew, job: Job, before: list[Call]) -> list[Call]:
    """Run a batch, meanwhile deliver the calls that were complete before, and return those that now are."""

    def batches() -> Iterator[ModelInputs]:
        yield model_inputs(job.taken)
        _deliver(crew, before)

    try:
        for logits in engine.run(batches(), hint=job.hint):
            distribute(job.taken, logits)
    except BaseException as error:  # it goes to the callers
        complete = []
        for call in crew.failed(job):
            call.fail(error)
    else:
        complete = crew.done(job)
        _observe(crew, job)
    _deliver(crew, before)
    return complete


def _deliver(crew: Crew, complete: list[Call]) -> None:
    """Make the results of complete calls, and empty their list."""
    while complete:
        call = complete.pop(0)
        call.end()
        if crew.observer is not None:
            crew.observer.call(**call.times())


def _observe(crew: Crew, job: Job) -> None:
    if crew.observer is not None:
        taken = job.taken
        positions = taken.rows * taken.length
        crew.observer.batch(rows=taken.rows, tokens=real_tokens(taken), positions=positions)
