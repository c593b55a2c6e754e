"""Questions out of files and answers into files, row by row, in bounded memory."""

from spanjet.files.formats import FORMATS, Source, find_format, open_source
from spanjet.files.job import Sink, answer_records
from spanjet.files.journal import Journal
from spanjet.files.output_rows import answers_line, rejected_line
from spanjet.files.record import Columns, Record, Rejected
from spanjet.files.stdout import StandardOutput

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
    "find_format",
    "open_source",
    "rejected_line",
]
