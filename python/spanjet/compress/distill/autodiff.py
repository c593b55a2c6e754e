"""Reverse-mode differentiation of OpenVINO graphs (Linnainmaa 1976): the gradient is a graph too.

OpenVINO computes it like any other: with the same kernels, in all threads, in bfloat16 where that is asked
for.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from spanjet.compress.distill.vjp import RULES
from spanjet.runtime.openvino import ops, ov

__all__ = ["Seed", "differentiate"]

#: A value in a graph, and the gradient of a number with regard to it.
Seed = tuple[ov.Output, ov.Output]


def differentiate(seeds: Sequence[Seed], wanted: Sequence[ov.Output]) -> list[ov.Output]:
    """The gradients of a number with regard to values of a graph.

    Ranks must be known. Where two inputs of an operation meet, dimensions that are not known are taken for
    equal: only known dimensions of 1, and missing ones, are broadcast. What depends on values only by way of
    whole numbers, such as places and ranks, does not change with them.

    Args:
        seeds: values that the number is computed from, and its gradients with regard to them: of what is
            beyond those, nothing need be known.
        wanted: float32 values that the seeds' are computed from.

    Returns:
        One gradient for each wanted value, of its shape.

    Raises:
        ValueError: nothing depends on a wanted value, or an operation on the way has no rule.
    """
    nodes = _ordered([value.get_node() for value, _ in seeds])
    depending = _depending(nodes, wanted)
    parts: defaultdict[tuple[str, int], list[ov.Output]] = defaultdict(list)
    for value, gradient in seeds:
        parts[_key(value)].append(gradient)
    for node in reversed(nodes):
        outputs = [_sum(parts[_key(output)]) for output in node.outputs()]
        if not any(outputs) or not any(_depends(source, depending) for source in node.input_values()):
            continue
        kind = node.get_type_name()
        if kind not in RULES:
            raise ValueError(f"{node.get_friendly_name()}: {kind} has no rule for its gradient")
        for source, gradient in zip(node.input_values(), RULES[kind](node, outputs), strict=True):
            if gradient is not None and _depends(source, depending):
                parts[_key(source)].append(gradient)
    found = [_sum(parts[_key(value)]) for value in wanted]
    unused = [
        value.get_node().get_friendly_name()
        for value, gradient in zip(wanted, found, strict=True)
        if gradient is None
    ]
    if unused:
        raise ValueError(f"nothing depends on {', '.join(unused)}")
    return [gradient for gradient in found if gradient is not None]


def _ordered(ends: Iterable[ov.Node]) -> list[ov.Node]:
    """All nodes that some are computed from, each after its inputs."""
    found: dict[str, ov.Node] = {}
    left = [(node, False) for node in ends]
    while left:
        node, finished = left.pop()
        if finished:
            found.setdefault(node.get_name(), node)
        elif node.get_name() not in found:
            left.append((node, True))
            left.extend((source.get_node(), False) for source in node.input_values())
    return list(found.values())


def _depending(nodes: Iterable[ov.Node], wanted: Sequence[ov.Output]) -> set[str]:
    """The names of nodes that depend on some, and of those themselves."""
    names = {value.get_node().get_name() for value in wanted}
    for node in nodes:
        if any(_depends(source, names) for source in node.input_values()):
            names.add(node.get_name())
    return names


def _depends(source: ov.Output, depending: set[str]) -> bool:
    """Check that a value changes smoothly: places and shapes do not."""
    return source.get_element_type().is_real() and source.get_node().get_name() in depending


def _sum(parts: Sequence[ov.Output]) -> ov.Output | None:
    if not parts:
        return None
    total = parts[0]
    for part in parts[1:]:
        total = ops.add(total, part).output(0)
    return total


def _key(output: ov.Output) -> tuple[str, int]:
    return output.get_node().get_name(), output.get_index()
