"""spanjet reads answers out of text, exactly and fast, on CPUs, without torch."""

from spanjet._core import (
    Batch,
    Encoding,
    Encodings,
    Spans,
    Tokenizer,
    Windows,
    __version__,
    decode_spans,
    sentence,
)
from spanjet.config import Calibration, DecodeConfig, RuntimeConfig, WindowConfig
from spanjet.pipeline import QuestionCut
from spanjet.reader import Answer, Document, Failure, PassageAnswer, Reader, SearchResult, Uncalibrated

__all__ = [
    "Answer",
    "Batch",
    "Calibration",
    "DecodeConfig",
    "Document",
    "Encoding",
    "Encodings",
    "Failure",
    "PassageAnswer",
    "QuestionCut",
    "Reader",
    "RuntimeConfig",
    "SearchResult",
    "Spans",
    "Tokenizer",
    "Uncalibrated",
    "WindowConfig",
    "Windows",
    "__version__",
    "decode_spans",
    "sentence",
]
