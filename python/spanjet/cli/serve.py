"""Implement `spanjet serve`: answer questions over HTTP."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from spanjet.cli.options import ModelOption, ThreadsOption, ThresholdOption, threshold_of
from spanjet.extras import import_extra

__all__ = ["serve"]

TOKEN_VARIABLE = "SPANJET_TOKEN"  # noqa: S105  (the name of a variable)


def serve(
    *,
    model: ModelOption = None,
    threshold: ThresholdOption = "model",
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="PORT", help="TCP port; 0: any that is free.")] = 8000,
    workers: Annotated[
        int, typer.Option(metavar="N", help="Number of processes, each with a model of its own.")
    ] = 1,
    threads: ThreadsOption = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help=f"File with the bearer token that requests need. Default: the variable {TOKEN_VARIABLE}.",
        ),
    ] = None,
    max_queue_tokens: Annotated[
        int, typer.Option(metavar="N", help="Waiting tokens of a worker beyond which requests are refused.")
    ] = 1 << 18,
    max_wait: Annotated[
        float,
        typer.Option(metavar="SECONDS", help="Expected time in the queue beyond which requests are refused."),
    ] = 1.0,
    batch_wait: Annotated[
        float,
        typer.Option(metavar="SECONDS", help="Time for which a question waits for others to share a batch."),
    ] = 0.0,
    max_body: Annotated[int, typer.Option(metavar="BYTES", help="Maximum size of a request's body.")] = 1
    << 20,
    max_passages: Annotated[
        int, typer.Option(metavar="N", help="Maximum number of passages of a search, or inputs of a list.")
    ] = 256,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="Maximum time for the body to come, and for the answer.")
    ] = 30.0,
    grace: Annotated[
        float, typer.Option(metavar="SECONDS", help="Maximum time, at the end, for what has been accepted.")
    ] = 30.0,
    documents_memory: Annotated[
        int, typer.Option(metavar="BYTES", help="Maximum size of all uploaded documents.")
    ] = 1 << 27,
    documents_ttl: Annotated[
        float, typer.Option(metavar="SECONDS", help="Time for which an unused document is kept.")
    ] = 3600.0,
    access_log: Annotated[
        bool, typer.Option("--access-log/--no-access-log", help="Log each request, without its texts.")
    ] = True,
) -> None:
    """Answer questions over HTTP.

    Requests are logged on standard output and events on standard error, as lines of JSON. SIGTERM ends the
    server after it has answered what it has accepted.
    """
    run: Any = import_extra(
        "spanjet.serve.run", extra="serve", purpose="spanjet serve needs FastAPI and uvicorn"
    )
    config = run.ServeConfig(
        model=model,
        threshold=threshold_of(threshold),
        host=host,
        port=port,
        workers=workers,
        threads=threads,
        max_queue_tokens=max_queue_tokens,
        max_wait=max_wait,
        batch_wait=batch_wait,
        max_body=max_body,
        max_passages=max_passages,
        timeout=timeout,
        grace=grace,
        documents_memory=documents_memory,
        documents_ttl=documents_ttl,
        token=_read_token(token_file),
        access_log=access_log,
    )
    with run.listen(host, port) as bound:
        reader = config.open_reader()  # also for several workers, so that a wrong model is said once
        raise typer.Exit(run.run(config, bound, reader if workers == 1 else None))


def _read_token(file: Path | None) -> str | None:
    if file is None:
        return os.environ.pop(TOKEN_VARIABLE, None) or None
    token = file.read_text(encoding="utf-8").strip()
    if not token:
        raise ValueError(f"{file}: is empty; expected a token")
    return token
