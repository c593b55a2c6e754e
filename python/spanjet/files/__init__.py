"""Read questions from files and write answers to files, row by row, in bounded memory."""

from spanjet.files.formats import READERS, WRITERS, RowReader, RowWriter, find_format, open_rows
from spanjet.files.job import JobResult, answer_file
from spanjet.files.journal import Journal
from spanjet.files.output_rows import answers_line, rejected_line
from spanjet.files.record import Columns, Record, Rejected
from spanjet.files.row_queue import Sink, answer_records

__all__ = [
    "READERS",
    "WRITERS",
    "Columns",
    "JobResult",
    "Journal",
    "Record",
    "Rejected",
    "RowReader",
    "RowWriter",
    "Sink",
    "answer_file",
    "answer_records",
    "answers_line",
    "find_format",
    "open_rows",
    "rejected_line",
]
