"""Questions out of files and answers into files, row by row, in bounded memory."""

from spanjet.records.answering import Sink, answer_records
from spanjet.records.fingerprint import directory_digest, file_digest
from spanjet.records.journal import Journal
from spanjet.records.record import Columns, Record, Rejected
from spanjet.records.result import answers_line, rejected_line
from spanjet.records.source import FORMATS, Source, find_format, open_source
from spanjet.records.stdout import StandardOutput

__all__ = [
    "FORMATS",
    "Columns",
    "Journal",
    "Record",
    "Rejected",
    "Sink",
    "Source",
    "StandardOutput",
    "answer_records",
    "answers_line",
    "directory_digest",
    "file_digest",
    "find_format",
    "open_source",
    "rejected_line",
]
