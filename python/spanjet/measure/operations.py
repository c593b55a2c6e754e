"""Profile a model's time by operation and by part of the model."""

import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from spanjet.measure.progress import OnStep, ignore_step
from spanjet.runtime.engine import ModelInputs, Runtime
from spanjet.runtime.openvino import ov

__all__ = ["Operation", "OperationTimes", "Operations", "measure_operations"]

# Patterns of node names (see `spanjet.model.graph.blocks`); the first match wins.
PARTS = {
    r"\.(query|key|value)\b": "query, key, value",
    r"\.attention\.output\b": "attention output",
    r"\.(norm|norm_\w+|residual)\b": "add and normalise",
    r"\.ffn\.": "feed-forward",
    r"attention": "attention",
    r"^embeddings\b": "embeddings",
    r"^(qa_outputs|start_logits|end_logits)\b": "answer head",
}


_Key = tuple[str, str, str, str]


class Operations(NamedTuple):
    """Group of operations with their total time.

    Attributes:
        name: name of the group.
        milliseconds: total time of the group.
        share: share of the time of all operations, 0 to 1.
    """

    name: str
    milliseconds: float
    share: float


@dataclass(frozen=True, kw_only=True)
class Operation:
    """Operations of one kind in one part of the model.

    Attributes:
        kind: OpenVINO's name, such as ``FullyConnected``; its time includes fused operations.
        part: ``"feed-forward"``, ``"query, key, value"``, …; ``"other"`` if the node's name does not match,
            as in models that `spanjet.model` did not build.
        precision: precision of its arithmetic, such as ``i8``, ``f32`` or ``bf16``.
        implementation: OpenVINO's name, such as ``brgemm_avx512``.
        nodes: number of nodes in the model.
        milliseconds: total time of all nodes and batches.
        share: share of the time of all operations, 0 to 1.
    """

    kind: str
    part: str
    precision: str
    implementation: str
    nodes: int
    milliseconds: float
    share: float


@dataclass(frozen=True, kw_only=True)
class OperationTimes:
    """Times of operations in a run of batches.

    Attributes:
        operations: operations, the slowest first.
        batches: number of batches of the run.
        milliseconds: wall time of the run.
    """

    operations: list[Operation]
    batches: int
    milliseconds: float

    @property
    def idle(self) -> float:
        """Share of the run outside any operation: overhead between operations, and waiting."""
        return 1 - sum(operation.milliseconds for operation in self.operations) / self.milliseconds

    def by_kind(self) -> list[Operations]:
        """Group operations by kind and precision, the slowest first."""
        return self._grouped(lambda operation: f"{operation.kind}, {operation.precision}")

    def by_part(self) -> list[Operations]:
        """Group operations by part of the model, the slowest first."""
        return self._grouped(lambda operation: operation.part)

    def _grouped(self, key: Callable[[Operation], str]) -> list[Operations]:
        spent: defaultdict[str, float] = defaultdict(float)
        for operation in self.operations:
            spent[key(operation)] += operation.milliseconds
        total = sum(spent.values()) or 1.0
        groups = [Operations(name, value, value / total) for name, value in spent.items()]
        return sorted(groups, key=lambda group: -group.milliseconds)


def measure_operations(
    engine: Runtime, batches: Sequence[ModelInputs], *, on_step: OnStep = ignore_step
) -> OperationTimes:
    """Profile batches in a single stream of bulk work with OpenVINO's PERF_COUNT.

    Args:
        engine: engine of the model, such as `Reader.engine`.
        batches: model inputs, at least one; they run twice, and the first run is a warm-up for the shapes.
        on_step: called after each of the two runs.

    Raises:
        RuntimeError: OpenVINO failed.
    """
    compiled = engine.compile_counting()
    queue = ov.AsyncInferQueue(compiled, 2)  # two, so that the next batch is queued for the stream
    names = [each.any_name for each in compiled.inputs]
    microseconds: Counter[_Key] = Counter()
    # A node reports its mean over all batches since compilation.
    for runs, weight in ((1, -1), (2, 1)):
        began = time.perf_counter()
        for batch in batches:
            queue.start_async({name: ov.Tensor(getattr(batch, name), shared_memory=True) for name in names})
        queue.wait_all()
        milliseconds = 1000 * (time.perf_counter() - began)
        nodes = [node for node in queue[0].profiling_info if node.status == ov.ProfilingInfo.Status.EXECUTED]
        for node in nodes:
            mean = node.real_time.total_seconds() * 1e6
            microseconds[_key(node)] += weight * runs * len(batches) * round(mean)
        on_step(runs, 2)
    return OperationTimes(
        operations=_operations(microseconds, Counter(map(_key, nodes))),
        batches=len(batches),
        milliseconds=milliseconds,
    )


def _key(node: ov.ProfilingInfo) -> _Key:
    implementation, _, precision = node.exec_type.rpartition("_")
    return node.node_type, part_of(node.node_name), precision.lower(), implementation


def _operations(microseconds: Counter[_Key], nodes: Counter[_Key]) -> list[Operation]:
    # Means are rounded to microseconds, so the difference of two may be negative.
    spent = Counter({key: max(0, value) for key, value in microseconds.items()})
    total = max(1, spent.total())
    return [
        Operation(
            kind=kind,
            part=part,
            precision=precision,
            implementation=implementation,
            nodes=nodes[kind, part, precision, implementation],
            milliseconds=value / 1000,
            share=value / total,
        )
        for (kind, part, precision, implementation), value in spent.most_common()
    ]


def part_of(name: str) -> str:
    """Find the part of the model that a node belongs to, by its friendly name."""
    return next((part for pattern, part in PARTS.items() if re.search(pattern, name)), "other")
