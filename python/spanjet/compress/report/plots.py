"""Plot the contents of an optimised model's card."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from spanjet.measure.plot import Palette, Plot

if TYPE_CHECKING:  # Matplotlib is an extra.
    from matplotlib.axes import Axes

__all__ = ["all_plots"]


def all_plots(card: dict[str, Any]) -> list[Plot]:
    """Plot the Pareto front, the kept parts of each layer, predicted and measured times, and operations."""
    found = [_front(card), _kept(card), _latency(card)]
    operations = card.get("operations")
    return found if operations is None else [*found, _operations(operations)]


def _front(card: dict[str, Any]) -> Plot:
    """Plot the speed-up over the unpruned INT8 model against F1, with the floor and the chosen point."""
    found, chosen = card["optimization"], card["optimization"]["chosen"]
    points = sorted(found["front"], key=lambda point: -float(point["measured"]))
    start, least = found["held_out"]["float32"]["f1"], found["least_f1"]
    has_floor = found["settings"]["budget"] is None

    def draw(axes: "Axes", palette: Palette) -> None:
        speeds = [1 / point["measured"] for point in points]
        axes.plot(
            speeds, [point["f1"] for point in points], color=palette.first, marker="o", label="architectures"
        )
        lines = [(start, "original, float32")]
        if has_floor:
            lines.append((least, f"floor, {100 * found['floor']:g} %"))
        for f1, name in lines:
            axes.axhline(f1, color=palette.ink, linewidth=1, linestyle=":")
            place: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "ha": "right", "va": "bottom"}
            axes.annotate(name, (1, f1), color=palette.ink, **place)
        marked: dict[str, Any] = {"color": palette.second, "marker": "D", "linestyle": "", "markersize": 9}
        axes.plot([1 / chosen["measured"]], [chosen["f1"]], label="chosen", **marked)
        axes.set_xlabel("speed-up over the plain INT8 model (windows per second)")
        axes.set_ylabel("F1 on held-out questions")
        axes.legend(loc="lower left", labelcolor=palette.ink, frameon=False)

    caption = (
        f"Speed against F1 of {len(points)} architectures. Chosen: {1 / chosen['measured']:.2f} times as "
        f"fast as the plain INT8 model, F1 {chosen['f1']:.2f}"
        + (f"; the floor is {least:.2f}." if has_floor else ".")
    )
    numbers = (("budget", ".3f"), ("f1", ".2f"), ("exact_match", ".2f"), ("divergence", ".4f"))
    return Plot(
        name="front",
        title="Speed against F1",
        caption=caption,
        header=("speed over plain", "budget", "F1", "EM", "divergence"),
        rows=[
            (f"{1 / point['measured']:.2f}", *(format(point[name], form) for name, form in numbers))
            for point in points
        ],
        draw=draw,
    )


def _kept(card: dict[str, Any]) -> Plot:
    """Plot the kept share of heads and units in each layer."""
    layers, whole = card["optimization"]["layers"], card["optimization"]["whole"]
    shares = {name: [100 * layer[name] / whole[name] for layer in layers] for name in whole}

    def draw(axes: "Axes", palette: Palette) -> None:
        _bars(axes, shares, palette)
        axes.set_ylim(0, 104)
        axes.set_xticks(range(len(layers)))
        axes.set_xlabel("layer")
        axes.set_ylabel("per cent kept")

    left = [f"{sum(each) / len(each):.0f} % of the {name}" for name, each in shares.items()]
    return Plot(
        name="kept",
        title="Kept heads and units of each layer",
        caption=f"Kept: {' and '.join(left)}.",
        header=("layer", *shares),
        rows=[
            (str(index), *(f"{layer[name]:,} of {whole[name]:,}" for name in shares))
            for index, layer in enumerate(layers)
        ],
        draw=draw,
    )


def _latency(card: dict[str, Any]) -> Plot:
    """Plot the predicted time of each point against the measured one."""
    points = [point for point in card["optimization"]["front"] if point["predicted"] < 1]
    predicted, measured = ([100 * point[name] for point in points] for name in ("predicted", "measured"))
    errors = [100 * (one / two - 1) for one, two in zip(predicted, measured, strict=True)]

    def draw(axes: "Axes", palette: Palette) -> None:
        ends = [min([*predicted, *measured], default=0), 100]
        axes.plot(ends, ends, color=palette.ink, linewidth=1, linestyle=":", label="equal")
        axes.plot(predicted, measured, color=palette.first, marker="o", linestyle="", label="architectures")
        axes.set_xlabel("predicted time, per cent of the plain INT8 model's")
        axes.set_ylabel("measured")
        axes.legend(loc="lower right", labelcolor=palette.ink, frameon=False)

    worst = max(map(abs, errors), default=0.0)
    return Plot(
        name="latency",
        title="Predicted against measured time",
        caption=f"Predicted against measured time of whole models: off by {worst:.1f} % at most.",
        header=("predicted", "measured", "error"),
        rows=[
            (f"{one:.1f} %", f"{two:.1f} %", f"{error:+.1f} %")
            for one, two, error in zip(predicted, measured, errors, strict=True)
        ],
        draw=draw,
    )


def _operations(operations: dict[str, dict[str, float]]) -> Plot:
    """Plot milliseconds by part of the model, of the unpruned and the optimised model."""
    plain, optimized = operations["plain"], operations["optimized"]
    kinds = sorted({*plain, *optimized}, key=lambda kind: (-plain.get(kind, 0.0), kind))
    groups = {name: [operations[name].get(kind, 0.0) for kind in kinds] for name in ("plain", "optimized")}

    def draw(axes: "Axes", palette: Palette) -> None:
        _bars(axes, groups, palette)
        axes.set_xticks(range(len(kinds)), kinds, rotation=30, ha="right")
        axes.set_ylabel("milliseconds")

    before, after = (sum(each.values()) for each in (plain, optimized))
    return Plot(
        name="operations",
        title="Time by operation",
        caption=f"Time by operation: {before:.1f} ms in all before, {after:.1f} ms after.",
        header=("operation", "plain, ms", "optimized, ms"),
        rows=[
            (kind, *(f"{values[place]:.2f}" for values in groups.values()))
            for place, kind in enumerate(kinds)
        ],
        draw=draw,
    )


def _bars(axes: "Axes", groups: Mapping[str, Sequence[float]], palette: Palette) -> None:
    """Draw grouped bars, distinguished by colour and hatching, and their legend."""
    for side, (name, values) in enumerate(groups.items()):
        places = [index + 0.4 * side - 0.2 for index in range(len(values))]
        color = palette.second if side else palette.first
        look: dict[str, Any] = {"facecolor": "none", "hatch": "//"} if side else {"facecolor": color}
        axes.bar(places, values, 0.36, edgecolor=color, label=name, **look)
    axes.legend(labelcolor=palette.ink, frameon=False)
