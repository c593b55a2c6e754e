"""Measure the model's time by operation, and by the part of the model that it belongs to."""

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

# By what the names of nodes hold (see `spanjet.model.graph.blocks`); the first that matches counts.
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
    """Operations that have something in common.

    Attributes:
        name: what they have in common.
        milliseconds: of all of them together.
        share: of the time of all operations, 0 to 1.
    """

    name: str
    milliseconds: float
    share: float


@dataclass(frozen=True, kw_only=True)
class Operation:
    """All operations of one kind in one part of the model.

    Attributes:
        kind: OpenVINO's name, such as ``FullyConnected``; what it fused into an operation is in its time.
        part: ``"feed-forward"``, ``"query, key, value"``, …; ``"other"`` where the node's name does not tell,
            as in models that `spanjet.model` did not build.
        precision: of its arithmetic, such as ``i8``, ``f32`` or ``bf16``.
        implementation: OpenVINO's name, such as ``brgemm_avx512``.
        nodes: how many the model has.
        milliseconds: of all nodes and batches.
        share: of the time of all operations, 0 to 1.
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
    """The operations' times in a run of batches.

    Attributes:
        operations: the slowest first.
        batches: of the run.
        milliseconds: from the first batch to the last.
    """

    operations: list[Operation]
    batches: int
    milliseconds: float

    @property
    def idle(self) -> float:
        """Share of the run in which no operation was counted: what lies between them, and waiting."""
        return 1 - sum(operation.milliseconds for operation in self.operations) / self.milliseconds

    def by_kind(self) -> list[Operations]:
        """By kind and precision, the slowest first."""
        return self._grouped(lambda operation: f"{operation.kind}, {operation.precision}")

    def by_part(self) -> list[Operations]:
        """By part of the model, the slowest first."""
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
    """Run batches in one of the streams that bulk work has, while OpenVINO counts (PERF_COUNT).

    Args:
        engine: the model on this machine, such as `Reader.engine`.
        batches: model inputs, at least one; they run twice, and the first time does not count, since
            OpenVINO then sees the shapes for the first time.
        on_step: called after each of the two runs.

    Raises:
        RuntimeError: OpenVINO failed.
    """
    compiled = engine.compile_counting()
    queue = ov.AsyncInferQueue(compiled, 2)  # the second, so that the stream finds its next batch waiting
    names = [each.any_name for each in compiled.inputs]
    microseconds: Counter[_Key] = Counter()
    # What a node tells is its mean over all batches since it was compiled.
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
    # Means are whole microseconds: the difference of two may fall below 0.
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
