from ._core import (
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
from .config import Calibration, DecodeConfig, RuntimeConfig, WindowConfig
from .files.job import JobResult, answer_file
from .integrations.transformers.pipeline import QuestionAnsweringPipeline, pipeline
from .model.load import Model, load_model
from .reader.answer import Answer, Document, Failure
from .reader.cascade.config import CascadeConfig
from .reader.dynamic_batching.config import Overloaded, QueueConfig
from .reader.passages import PassageAnswer, SearchResult
from .reader.reader import Reader
from .reader.warnings import QuestionCut, Uncalibrated

__all__ = [
    "Answer",
    "Batch",
    "Calibration",
    "CascadeConfig",
    "DecodeConfig",
    "Document",
    "Encoding",
    "Encodings",
    "Failure",
    "JobResult",
    "Model",
    "Overloaded",
    "PassageAnswer",
    "QuestionAnsweringPipeline",
    "QuestionCut",
    "QueueConfig",
    "Reader",
    "RuntimeConfig",
    "SearchResult",
    "Spans",
    "Tokenizer",
    "Uncalibrated",
    "WindowConfig",
    "Windows",
    "__version__",
    "answer_file",
    "decode_spans",
    "load_model",
    "pipeline",
    "sentence",
]
