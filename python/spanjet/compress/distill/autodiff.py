"""Differentiate OpenVINO graphs in reverse mode (Linnainmaa 1976); the gradient is a graph as well.

OpenVINO runs it like any other graph: with the same kernels, in all threads, in bfloat16 if requested.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from spanjet.compress.distill.vjp import RULES
from spanjet.runtime.openvino import ops, ov

__all__ = ["Seed", "differentiate"]

#: A value in a graph, and the gradient of a number with regard to it.
Seed = tuple[ov.Output, ov.Output]


def differentiate(seeds: Sequence[Seed], wanted: Sequence[ov.Output]) -> list[ov.Output]:
    """Build the gradients of a scalar with respect to values of a graph.

    Ranks must be static. Dynamic dimensions of the two inputs of an operation are taken to be equal: only
    static dimensions of 1, and missing ones, are broadcast. Integer values, such as indices and shapes, have
    no gradient.

    Args:
        seeds: values that the scalar is computed from, and its gradients with respect to them; the graph
            behind these values need not be differentiable.
        wanted: float32 values, ancestors of the seeds, to differentiate with respect to.

    Returns:
        One gradient for each wanted value, of the same shape.

    Raises:
        ValueError: no seed depends on a wanted value, or an operation between them has no derivative rule.
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
    """List all ancestors of some nodes in topological order, the nodes included."""
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
    """Find the names of the nodes that depend on the wanted values, those of the values included."""
    names = {value.get_node().get_name() for value in wanted}
    for node in nodes:
        if any(_depends(source, names) for source in node.input_values()):
            names.add(node.get_name())
    return names


def _depends(source: ov.Output, depending: set[str]) -> bool:
    """Return True if a value is floating point and depends on the wanted ones; indices and shapes do not."""
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
