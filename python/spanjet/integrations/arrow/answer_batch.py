"""Answer the rows of Arrow tables and record batches."""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, TypeVar

from spanjet.config import DecodeConfig, RuntimeConfig, Threshold, WindowConfig
from spanjet.extras import import_extra
from spanjet.files.arrow import may_hold_text, text_values
from spanjet.files.record import Columns, Record, Rejected, read_record
from spanjet.files.row_queue import LOOK_AHEAD, RowQueue
from spanjet.integrations.arrow.answered import AnsweredBatch, output_fields
from spanjet.integrations.arrow.worker_reader import WorkerReaderSettings, load_reader, model_path
from spanjet.reader.answer import Answer, Failure
from spanjet.reader.pipeline import Pair
from spanjet.reader.reader import Reader
from spanjet.reader.warnings import question_warning
from spanjet.validation import check_config, check_count, check_type

pa = import_extra("pyarrow", extra="arrow", purpose="spanjet.integrations.arrow needs pyarrow")

__all__ = ["AnswerBatch"]

Batch = TypeVar("Batch")


class AnswerBatch:
    """Answer the rows of Arrow tables and record batches, in the workers of Ray Data, Spark and others.

    It can be pickled. The model is loaded when the first question comes, in the process that it comes to, and
    all objects of equal settings in a process share it. An object may be shared between threads.

    The columns and the metadata of the input stay as they are. With ``top_k=1`` these columns follow:

    - ``answer``: string, "" for the null answer; ``start``, ``end``, ``byte_start``, ``byte_end``: int32;
      ``score``, ``logit``, ``null_logit``, ``no_answer``: float32; all as in `Answer`;
    - ``warning``: string, if the question was cut, otherwise null;
    - ``error``: string, the reason if a row cannot be answered, and the columns of its answer are null;
      otherwise null.

    With a greater ``top_k``, a column ``answers`` replaces those of the answer: a list of structs of
    ``text``, ``start`` and so on, best first, as `spanjet.answer_file` writes it to Parquet.

    Args:
        model: as for `spanjet.Reader`, but not a loaded model. A relative path of a directory becomes
            absolute; other machines need the model at the same path.
        question: name of the column of questions.
        context: name of the column of texts that may hold the answers. Both columns are strings or UTF-8
            bytes of any Arrow type, or dictionaries of these.
        prefix: prefix of the names of all new columns.
        top_k: maximum number of answers per question.
        threshold: as for `spanjet.Reader`.
        threads: threads of each worker; None: one for each CPU of the machine. Threads times workers should
            be the number of CPUs.
        window_config, decode_config: as for `spanjet.Reader`.
        runtime_config: likewise. ``threads``, if given, replaces its own; ``pinning`` of None means False,
            because OpenVINO would pin the threads of all workers to the same CPUs; ``cache_dir`` is a path on
            the workers. None: the defaults of each worker, whose cache is in its own home directory.
        match_special_tokens: as for `spanjet.Reader`.

    Raises:
        TypeError, ValueError: an argument has the wrong type, or is out of range.

    Example:
        >>> import pyarrow
        >>> from spanjet.integrations.arrow import AnswerBatch
        >>> text = "The bridge was built by Clara Hansen in 1903."
        >>> table = pyarrow.table({"question": ["Who built it?", None], "context": [text, text]})
        >>> answered = AnswerBatch()(table)
        >>> answered.select(["answer", "start", "end"]).to_pylist()[0]
        {'answer': 'Clara Hansen', 'start': 24, 'end': 36}
        >>> answered["error"].to_pylist()
        [None, "column 'question': expected a string, found null"]
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        question: str = "question",
        context: str = "context",
        prefix: str = "",
        top_k: int = 1,
        threshold: Threshold = "model",
        threads: int | None = None,
        window_config: WindowConfig | None = None,
        decode_config: DecodeConfig | None = None,
        runtime_config: RuntimeConfig | None = None,
        match_special_tokens: bool = False,
    ) -> None:
        self._question = check_type("question", question, str)
        self._context = check_type("context", context, str)
        self._prefix = check_type("prefix", prefix, str)
        self._top_k = check_count("top_k", top_k)
        self._settings = WorkerReaderSettings(
            model=model_path(model),
            threshold=threshold,
            window_config=check_config("window_config", window_config, WindowConfig),
            decode_config=check_config("decode_config", decode_config, DecodeConfig),
            runtime_config=runtime_config,
            threads=threads,
            match_special_tokens=match_special_tokens,
        )
        self._reader: Reader | None = None

    def __repr__(self) -> str:
        columns = f"question={self._question!r}, context={self._context!r}"
        return f"AnswerBatch({self._settings.model!r}, {columns}, top_k={self._top_k})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_reader": None}

    @property
    def reader(self) -> Reader:
        """The reader of this process, loaded when it is first used.

        Raises:
            OSError, ValueError: as `spanjet.Reader`.
        """
        if self._reader is None:
            self._reader = load_reader(self._settings)
        return self._reader

    def __call__(self, batch: Batch) -> Batch:
        """Answer the rows of a ``pyarrow.Table`` or ``pyarrow.RecordBatch``.

        Returns:
            The same kind with the same rows, and with the columns of `output_schema`.

        Raises:
            TypeError: ``batch`` is neither.
            ValueError: there is no column of questions or contexts, or more than one of the name, or one of
                the name of a new column.
            OSError: the model cannot be loaded.
        """
        if isinstance(batch, pa.Table):
            schema = self.output_schema(batch.schema)
            batches = self.map_batches(batch.to_batches(max_chunksize=LOOK_AHEAD))
            answered: Batch = pa.Table.from_batches(batches, schema)
            return answered
        return next(self.map_batches([batch]))

    def map_batches(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Answer record batches one after the other, in the form of Spark's ``mapInArrow``.

        The next batches are read while the model runs, 2,048 questions ahead.

        Args:
            batches: any number of ``pyarrow.RecordBatch``, of any size.

        Yields:
            The batches in order, with the columns of `output_schema`.

        Raises:
            TypeError, ValueError, OSError: as a call. Batches before the faulty one are yielded first, also
                if ``batches`` itself raises an error.
        """
        waiting: deque[AnsweredBatch] = deque()
        queue = RowQueue(self._rows(batches, waiting), None, LOOK_AHEAD)
        for row, answers in queue.results(self._stream):
            while not waiting[0].missing:  # a batch without rows
                yield waiting.popleft().complete()
            waiting[0].add(row, answers, self._warning(row))
            if not waiting[0].missing:
                yield waiting.popleft().complete()
        while waiting:
            yield waiting.popleft().complete()

    @property
    def answer_schema(self) -> Any:
        """The ``pyarrow.Schema`` of the new columns alone."""
        return pa.schema(output_fields(flat=self._top_k == 1, prefix=self._prefix))

    def output_schema(self, schema: Any) -> Any:
        """Return the schema of answered batches, for engines that need it in advance.

        Args:
            schema: ``pyarrow.Schema`` of the input.

        Raises:
            TypeError: ``schema`` is not a schema.
            ValueError: as a call.
        """
        check_type("schema", schema, pa.Schema)
        for role, name in (("question", self._question), ("context", self._context)):
            if schema.names.count(name) != 1:
                number = "no" if name not in schema.names else "more than one"
                found = ", ".join(map(repr, schema.names)) or "no columns"
                raise ValueError(f"{number} column {name!r} ({role}=…); the input has {found:.200}")
        for field in self.answer_schema:
            if field.name in schema.names:
                raise ValueError(
                    f"the input has a column {field.name!r}, a name that the output needs; "
                    "rename it, or set prefix=…"
                )
            schema = schema.append(field)
        return schema

    def _rows(self, batches: Iterable[Any], waiting: deque[AnsweredBatch]) -> Iterator[Record | Rejected]:
        """Read the rows of batches; a batch waits for its answers before its first row is read."""
        columns = Columns(question=self._question, context=self._context)
        for batch in batches:
            if not isinstance(batch, pa.RecordBatch):
                raise TypeError(_wrong_batch(batch))
            schema = self.output_schema(batch.schema)
            waiting.append(AnsweredBatch(batch, schema, flat=self._top_k == 1))
            yield from _records(batch, columns)

    def _stream(self, pairs: Iterator[Pair]) -> Iterator[list[Answer] | Failure]:
        """Answer questions; if there are none, do not load the model."""
        first = next(pairs, None)
        if first is not None:
            yield from self.reader.stream(
                chain([first], pairs), top_k=self._top_k, look_ahead=LOOK_AHEAD, errors="return"
            )

    def _warning(self, row: Record | Rejected) -> str | None:
        if isinstance(row, Rejected):
            return None
        return question_warning(row.question, self.reader.tokenizer, self.reader.window_config)


def _records(batch: Any, columns: Columns) -> Iterator[Record | Rejected]:
    """Read the rows of a batch."""
    texts = {name: batch.column(name) for _, name in columns.required()}
    for name, column in texts.items():
        if not may_hold_text(column.type):
            reason = f"column {name!r} is of {column.type}; expected strings"
            yield from (Rejected(row, "", reason) for row in range(batch.num_rows))
            return
    for row, values in enumerate(zip(*map(text_values, texts.values()), strict=True)):
        yield read_record(row, "", dict(zip(texts, values, strict=True)), columns)


def _wrong_batch(batch: Any) -> str:
    expected = "batch: expected a pyarrow Table or RecordBatch"
    if isinstance(batch, pa.Table):
        return "batches: expected RecordBatches, found Table; call the object itself, or give to_batches()"
    if isinstance(batch, dict):
        return f"{expected}, found dict; Ray Data gives tables with batch_format='pyarrow'"
    return (
        f"{expected}, found {type(batch).__name__}; data frames become tables by to_arrow() or from_pandas()"
    )
