"""spanjet reads answers out of text, exactly and fast, on CPUs, without torch."""

from spanjet._core import (
    Batch,
    Encoding,
    Encodings,
    Spans,
    Tokenizer,
    Windows,
    __version__,
    decode,
    sentence,
)
from spanjet.config import Calibration, DecodeConfig, RuntimeConfig, WindowConfig
from spanjet.reader import Answer, Document, Failure, PassageAnswer, Reader, SearchResult

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
    "Reader",
    "RuntimeConfig",
    "SearchResult",
    "Spans",
    "Tokenizer",
    "WindowConfig",
    "Windows",
    "__version__",
    "decode",
    "sentence",
]
