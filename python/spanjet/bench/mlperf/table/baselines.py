"""List the compared systems, from a plain BERT-Large to spanjet's models, one change per step."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from spanjet.bench.mlperf.loadgen.batching import Batching, in_order, padded, scheduled
from spanjet.bench.mlperf.models import name_of
from spanjet.bench.mlperf.rules import WINDOWING
from spanjet.reader.reader import Reader
from spanjet.runtime.engine import Hint

__all__ = ["BASELINE", "BUNDLED", "SCHEDULE", "Contender", "contenders"]

ROWS = 16
"""Batch size of the baseline, as in Deci's submission to MLPerf Inference v2.0."""

BASELINE, SCHEDULE, BUNDLED = "baseline", "schedule", "bundled"


@dataclass(frozen=True, kw_only=True)
class Contender:
    """Model with its batching.

    Attributes:
        key: unique key.
        name: display name.
        reader: reader of the model.
        batching: batching in the Offline scenario.
        single: batching in the SingleStream scenario.
        hint: OpenVINO's performance hint in the Offline scenario.
        listed: give it a row in the table; others only contribute a step of the speed-up.
        step: description of the change from the previous contender; "": not compared.
    """

    key: str
    name: str
    reader: Reader
    batching: Batching
    single: Batching
    hint: Hint = "THROUGHPUT"
    listed: bool = False
    step: str = ""


def contenders(large: Reader, bundled: Reader, models: Sequence[Reader]) -> list[Contender]:
    """List the contenders in the order of the steps.

    All run on the same OpenVINO with the same threads, streams, precision and windows.

    Args:
        large: the plain BERT-Large in INT8.
        bundled: the bundled model.
        models: further models.
    """
    name, longest = name_of(large.model), WINDOWING.max_length
    plain = Contender(
        key="one at a time",
        name=f"{name}, padded to {longest}, batches of {ROWS} one at a time",
        reader=large,
        batching=padded(ROWS, longest),
        single=padded(1, longest),
        hint="LATENCY",
    )
    baseline = replace(
        plain,
        key=BASELINE,
        name=f"{name}, padded to {longest}, batches of {ROWS}",
        hint="THROUGHPUT",
        listed=True,
        step="streams: batches side by side",
    )
    unpadded = replace(
        baseline,
        key="no padding",
        name=f"{name}, batches of {ROWS} padded to their longest window",
        batching=in_order(ROWS),
        listed=False,
        step=f"no padding to {longest}, but to the longest of a batch",
    )
    found = [
        plain,
        baseline,
        unpadded,
        _scheduled(large, SCHEDULE, f"{name}, our schedule", "sorting by length, batches by tokens"),
        _scheduled(bundled, BUNDLED, f"{name_of(bundled.model)} (bundled)", "smaller model"),
    ]
    further = (
        _scheduled(reader, f"model {index}", name_of(reader.model)) for index, reader in enumerate(models)
    )
    return [*found, *further]


def _scheduled(reader: Reader, key: str, name: str, step: str = "") -> Contender:
    batching = scheduled(reader)
    return Contender(
        key=key, name=name, reader=reader, batching=batching, single=batching, listed=True, step=step
    )
