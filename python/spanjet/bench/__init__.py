"""Benchmark a model on this machine: throughput, latency, memory, and time spent outside the model."""

from spanjet.bench.config import BenchConfig
from spanjet.bench.result import BenchResult, Measurement
from spanjet.bench.run import run_bench
from spanjet.measure.questions import built_in, sample

__all__ = ["BenchConfig", "BenchResult", "Measurement", "built_in", "run_bench", "sample"]
