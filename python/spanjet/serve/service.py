"""Open and close what the routes of one process share."""

import asyncio
import contextlib
import logging
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request

from spanjet.integrations.transformers.pipeline import QuestionAnsweringPipeline
from spanjet.reader.reader import Reader
from spanjet.serve.config import ServeConfig
from spanjet.serve.documents import DocumentStore
from spanjet.serve.metrics import Metrics
from spanjet.serve.warm_up import warm_up

__all__ = ["Service", "service_of", "serving"]

SWEEPS = 10
"""Number of times within the life of a document that expired ones are removed."""

LOGGER = logging.getLogger("spanjet.serve")


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """Reader, documents and metrics of one process, which its routes share.

    Attributes:
        config: settings of the server.
        reader: answers ``/v1``.
        pipeline: answers as transformers does; it shares the reader's engine and queue.
        documents: uploaded documents.
        metrics: metrics of the process.
    """

    config: ServeConfig
    reader: Reader
    pipeline: QuestionAnsweringPipeline
    documents: DocumentStore
    metrics: Metrics


async def service_of(request: Request) -> Service:
    """Return what the routes share, as a dependency of them."""
    service: Service = request.app.state.service
    return service


@asynccontextmanager
async def serving(config: ServeConfig, given: Reader | None) -> AsyncIterator[Service]:
    """Open the reader, warm it up, and keep the documents until the end of the block.

    Args:
        config: settings of the server.
        given: reader to use; None: open that of the settings.
    """
    reader = await asyncio.to_thread(config.open_reader) if given is None else given
    with contextlib.ExitStack() as stack:
        spool = config.spool
        if spool is None:
            spool = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="spanjet-documents-")))
        documents = DocumentStore(
            spool, reader.prepare, memory=config.documents_memory, seconds=config.documents_ttl
        )
        batchers = [each.batcher for each in _readers(reader)]
        metrics = Metrics([batcher.waiting for batcher in batchers])
        for each in _readers(reader):
            seconds = await asyncio.to_thread(warm_up, each)
            LOGGER.info("ready: %s, warmed up in %.1f s", each.model.path.name, seconds)
        for batcher in batchers:
            batcher.observe(metrics)
        service = Service(
            config=config,
            reader=reader,
            pipeline=QuestionAnsweringPipeline(reader),
            documents=documents,
            metrics=metrics,
        )
        sweeper = asyncio.create_task(_sweep(service))
        try:
            yield service
        finally:
            sweeper.cancel()
            await asyncio.to_thread(reader.close)
            for batcher in batchers:
                batcher.observe(None)


def _readers(reader: Reader) -> list[Reader]:
    """Return a reader for each model of a reader, the first model's first; they share its engines."""
    first = reader.first
    return [reader] if first is None else [first, reader]


async def _sweep(service: Service) -> None:
    while True:
        await asyncio.sleep(service.config.documents_ttl / SWEEPS)
        try:
            await asyncio.to_thread(service.documents.sweep)
        except OSError:
            LOGGER.exception("expired documents could not be removed")
