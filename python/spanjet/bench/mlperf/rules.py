"""Define the numeric rules of MLPerf Inference for BERT on SQuAD v1.1.

From mlcommons/inference: language/bert, loadgen/mlperf.conf and tools/submission/submission_checker, v6.
"""

from typing import Literal, get_args

from spanjet.config import DecodeConfig, WindowConfig

__all__ = [
    "DECODING",
    "FLOORS",
    "MODEL",
    "OTHER_TOKENIZERS",
    "QUESTIONS",
    "REFERENCE_F1",
    "SCENARIOS",
    "SECONDS",
    "SERVER_MILLISECONDS",
    "SINGLE_QUERIES",
    "STREAM_SAMPLES",
    "WINDOWING",
    "WINDOWS",
    "Scenario",
]

Scenario = Literal["Offline", "SingleStream", "MultiStream", "Server"]
SCENARIOS: tuple[Scenario, ...] = get_args(Scenario)

MODEL = "bert"
"""Name of the benchmark in LoadGen's configuration."""

QUESTIONS, WINDOWS = 10_570, 10_833
"""Number of questions and windows of SQuAD v1.1 dev; the windows are LoadGen's samples, all in memory."""

OTHER_TOKENIZERS = 0.02
"""Share of `WINDOWS` by which tokens other than BERT-Large's may change it; MPNet's make 10,834."""

WINDOWING = WindowConfig(max_length=384, doc_stride=128, convention="advance", max_question_length=64)
DECODING = DecodeConfig(mode="squad", n_best=20, max_answer_length=30)

REFERENCE_F1 = 90.874
"""F1 of the reference BERT-Large in float32, in percent."""

FLOORS = (0.99, 0.999)
"""Minimum F1 as shares of the reference's: the benchmarks bert-99 and bert-99.9."""

SECONDS = 600
"""Minimum duration of a valid performance run, in seconds."""

SERVER_MILLISECONDS = 130
"""Maximum 99th percentile of the latency in the Server scenario, in milliseconds."""

SINGLE_QUERIES = 1024
"""Minimum number of queries of a valid SingleStream run by the submission checker; LoadGen accepts fewer."""

STREAM_SAMPLES = 8
"""Samples per query in the MultiStream scenario."""
