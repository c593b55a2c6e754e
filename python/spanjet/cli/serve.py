"""Implement `spanjet serve`: answer questions over HTTP."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from spanjet.cli.options import (
    FirstOption,
    ModelOption,
    RereadOption,
    ThreadsOption,
    ThresholdOption,
    cascade_config_of,
    threshold_of,
)
from spanjet.cli.terminal.texts import read_text
from spanjet.extras import import_extra

__all__ = ["serve"]

TOKEN_VARIABLE = "SPANJET_TOKEN"  # noqa: S105  (the name of a variable)

HostOption = Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen at.")]
PortOption = Annotated[int, typer.Option(metavar="PORT", help="TCP port; 0: any that is free.")]
WorkersOption = Annotated[
    int, typer.Option(metavar="N", help="Number of processes, each with a model of its own.")
]
TokenFileOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help=f"File with the bearer token that requests need. Default: the variable {TOKEN_VARIABLE}.",
    ),
]
MaxQueueTokensOption = Annotated[
    int, typer.Option(metavar="N", help="Waiting tokens of a worker beyond which requests are refused.")
]
MaxWaitOption = Annotated[
    float,
    typer.Option(metavar="SECONDS", help="Expected time in the queue beyond which requests are refused."),
]
BatchWaitOption = Annotated[
    float,
    typer.Option(metavar="SECONDS", help="Time for which a question waits for others to share a batch."),
]
MaxBodyOption = Annotated[int, typer.Option(metavar="BYTES", help="Maximum size of a request's body.")]
MaxPassagesOption = Annotated[
    int, typer.Option(metavar="N", help="Maximum number of passages of a search, or inputs of a list.")
]
TimeoutOption = Annotated[
    float, typer.Option(metavar="SECONDS", help="Maximum time for the body to come, and for the answer.")
]
GraceOption = Annotated[
    float, typer.Option(metavar="SECONDS", help="Maximum time, at the end, for what has been accepted.")
]
DocumentsMemoryOption = Annotated[
    int,
    typer.Option(metavar="BYTES", help="Maximum size of all uploaded documents; of 10,000 at most."),
]
DocumentsTtlOption = Annotated[
    float, typer.Option(metavar="SECONDS", help="Time for which an unused document is kept.")
]
AccessLogOption = Annotated[
    bool, typer.Option("--access-log/--no-access-log", help="Log each request, without its texts.")
]


def serve(
    *,
    model: ModelOption = None,
    first: FirstOption = None,
    reread: RereadOption = None,
    threshold: ThresholdOption = "model",
    host: HostOption = "127.0.0.1",
    port: PortOption = 8000,
    workers: WorkersOption = 1,
    threads: ThreadsOption = None,
    token_file: TokenFileOption = None,
    max_queue_tokens: MaxQueueTokensOption = 1 << 18,
    max_wait: MaxWaitOption = 1.0,
    batch_wait: BatchWaitOption = 0.0,
    max_body: MaxBodyOption = 1 << 20,
    max_passages: MaxPassagesOption = 256,
    timeout: TimeoutOption = 30.0,
    grace: GraceOption = 30.0,
    documents_memory: DocumentsMemoryOption = 1 << 27,
    documents_ttl: DocumentsTtlOption = 3600.0,
    access_log: AccessLogOption = True,
) -> None:
    """Answer questions over HTTP; needs the extra "serve".

    Requests are logged on standard output and events on standard error, as lines of JSON. SIGTERM ends the
    server after it has answered what it has accepted.
    """
    purpose = "spanjet serve needs FastAPI and uvicorn"
    run: Any = import_extra("spanjet.serve.process.run", extra="serve", purpose=purpose)
    config = run.ServeConfig(
        model=model,
        first=first,
        reread=cascade_config_of(first, reread).reread,
        threshold=threshold_of(threshold),
        host=host,
        port=port,
        workers=workers,
        threads=threads,
        token=_read_token(token_file),
        max_queue_tokens=max_queue_tokens,
        max_wait=max_wait,
        batch_wait=batch_wait,
        max_body=max_body,
        max_passages=max_passages,
        timeout=timeout,
        grace=grace,
        documents_memory=documents_memory,
        documents_ttl=documents_ttl,
        access_log=access_log,
    )
    with run.listen(host, port) as bound:
        reader = config.open_reader()  # also for several workers, so that a wrong model is said once
        raise typer.Exit(run.run(config, bound, reader if workers == 1 else None))


def _read_token(file: Path | None) -> str | None:
    given = os.environ.pop(TOKEN_VARIABLE, None)
    if file is None and given is None:
        return None
    token = (given if file is None else read_text(file)) or ""
    if not token.strip():
        raise ValueError(f"{file or TOKEN_VARIABLE}: is empty; expected a token")
    return token.strip()
