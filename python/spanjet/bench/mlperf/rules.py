"""The rules of MLPerf Inference for BERT on SQuAD v1.1, as far as they are numbers.

From mlcommons/inference: language/bert, loadgen/mlperf.conf and tools/submission/submission_checker, v6.
"""

from typing import Literal, get_args

from spanjet.config import DecodeConfig, WindowConfig

__all__ = [
    "DECODING",
    "FLOORS",
    "MODEL",
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
"""What LoadGen's configuration calls the benchmark."""

QUESTIONS, WINDOWS = 10_570, 10_833
"""Of SQuAD v1.1 dev: its windows are LoadGen's samples, all of them in memory."""

WINDOWING = WindowConfig(max_length=384, doc_stride=128, convention="advance", max_question_length=64)
DECODING = DecodeConfig(mode="squad", n_best=20, max_answer_length=30)

REFERENCE_F1 = 90.874
"""Of the reference BERT-Large in float32, in percent."""

FLOORS = (0.99, 0.999)
"""F1 at least, as shares of the reference's: the benchmarks bert-99 and bert-99.9."""

SECONDS = 600
"""A valid performance run takes no less."""

SERVER_MILLISECONDS = 130
"""99 % of the Server scenario's queries must take no longer."""

SINGLE_QUERIES = 1024
"""Of a valid SingleStream run at least, by the submission checker: LoadGen itself takes fewer."""

STREAM_SAMPLES = 8
"""Samples of a query in the MultiStream scenario."""
