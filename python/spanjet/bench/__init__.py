"""What a model does on this machine: throughput, latency, memory, and what is lost outside the model.

Importing this package imports OpenVINO.
"""

from spanjet.bench.config import BenchConfig
from spanjet.bench.result import BenchResult, Row
from spanjet.bench.run import run_bench
from spanjet.measure.questions import built_in, sample

__all__ = ["BenchConfig", "BenchResult", "Row", "built_in", "run_bench", "sample"]
