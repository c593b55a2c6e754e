"""Define the settings of the server."""

from dataclasses import dataclass, field
from pathlib import Path

from spanjet.config import RuntimeConfig, Threshold
from spanjet.reader.cascade.config import CascadeConfig
from spanjet.reader.dynamic_batching.config import QueueConfig
from spanjet.reader.reader import Reader
from spanjet.runtime.cpu import usable_cpus
from spanjet.validation import (
    SettingError,
    check_bool,
    check_integer,
    check_number,
    check_threshold,
    check_type,
)

__all__ = ["ServeConfig"]

MEBIBYTE = 1 << 20
MOST_SECONDS = 86_400
"""Maximum of what a system call waits for: a day."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServeConfig:
    """Settings of the server, the same for each of its worker processes.

    Attributes:
        model: model directory, checkpoint or hub id; None: the bundled model.
        first: smaller model that reads long texts and many passages first, see `Reader`; None: none.
        reread: maximum number of windows that ``model`` then reads, see `CascadeConfig`.
        threshold: see `Reader`.
        host: address to listen at.
        port: TCP port; 0: any that is free.
        workers: number of processes, each with a model of its own.
        threads: threads of all workers together, at least one of each; None: one for each CPU.
        max_queue_tokens, max_wait, batch_wait: of each worker, see `QueueConfig`.
        max_body: maximum size of a request's body in bytes.
        max_passages: maximum number of passages and documents of a search, and of inputs of a list.
        timeout: maximum seconds in which a body must come, and after which an answer is given up.
        keep_alive: maximum seconds of an idle connection, and in which the head of a request must come.
        grace: maximum seconds, at the end, to wait for the answers to what has been accepted.
        documents_memory: maximum bytes of the documents' texts, and in each worker of their tokens.
        documents_ttl: seconds after its last use for which a document is kept.
        spool: directory of the documents' texts, which all workers share; None: a temporary one.
        token: bearer token that requests must bear; None: none.
        access_log: log each request.

    Raises:
        TypeError: a field has the wrong type.
        ValueError: a field is out of range.
    """

    model: Path | None = None
    first: Path | None = None
    reread: int = CascadeConfig().reread
    threshold: Threshold = "model"
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    threads: int | None = None
    max_queue_tokens: int = 1 << 18
    max_wait: float = 1.0
    batch_wait: float = 0.0
    max_body: int = MEBIBYTE
    max_passages: int = 256
    timeout: float = 30.0
    keep_alive: float = 10.0
    grace: float = 30.0
    documents_memory: int = 128 * MEBIBYTE
    documents_ttl: float = 3600.0
    spool: Path | None = None
    token: str | None = field(default=None, repr=False)
    access_log: bool = True

    def __post_init__(self) -> None:
        check_integer(self, "port", minimum=0)
        if self.port > 65535:
            raise SettingError("port", self.port, "at most 65535", type(self).__name__)
        for name in ("reread", "workers", "max_queue_tokens", "max_body", "max_passages", "documents_memory"):
            check_integer(self, name, minimum=1)
        check_integer(self, "threads", minimum=1, optional=True)
        check_number(self, "max_wait", minimum=0)
        check_number(self, "batch_wait", minimum=0, maximum=60)
        for name in ("timeout", "keep_alive"):
            check_number(self, name, above=0, maximum=MOST_SECONDS)
        check_number(self, "documents_ttl", above=0)
        check_number(self, "grace", minimum=0, maximum=MOST_SECONDS)
        check_bool(self, "access_log")
        if self.threshold != "model":
            check_threshold(f"{type(self).__name__}.threshold", self.threshold, "'model', ")
        check_type("ServeConfig.host", self.host, str)
        for name in ("model", "first", "spool"):
            if getattr(self, name) is not None:
                check_type(f"ServeConfig.{name}", getattr(self, name), Path)
        if self.token is not None:
            check_type("ServeConfig.token", self.token, str)
        if self.token is not None and not (self.token.isascii() and self.token.isprintable() and self.token):
            raise ValueError("the bearer token must be of printable ASCII characters, at least one")

    def open_reader(self) -> Reader:
        """Open the reader of one worker."""
        threads = self.threads if self.workers == 1 else (self.threads or usable_cpus()) // self.workers
        return Reader(
            self.model,
            first=self.first,
            cascade_config=CascadeConfig(reread=self.reread),
            threshold=self.threshold,
            # The processes do not know of each other, and would pin their threads to the same CPUs.
            runtime_config=RuntimeConfig(
                threads=None if threads is None else max(1, threads),
                pinning=None if self.workers == 1 else False,
            ),
            queue_config=QueueConfig(
                max_queue_tokens=self.max_queue_tokens, max_wait=self.max_wait, batch_wait=self.batch_wait
            ),
        )
