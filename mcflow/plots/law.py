"""The law of the second moment over networks: histograms of its logarithm against the exact density."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mcflow.files import kept_rows
from mcflow.plots import NothingToDraw, caption, style
from mcflow.theory import stack
from mcflow.theory.finite_width import second_moment_law

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mcflow.answers.subject import Subject

QUANTITY = "preactivation_second_moment"
LARGEST = 4
SAYS = "bars and points: networks, dashed: the exact law"


def figure(subject: Subject, names: Sequence[str], ax: Any = None) -> Figure:
    """A panel for each case with a first, a middle and the last layer; bars are networks, lines the exact law."""
    panels: list[tuple[str, dict[int, second_moment_law.Law]]] = []
    for name in names:
        if len(panels) == LARGEST:
            break
        if QUANTITY not in subject[name]:
            continue
        depth = subject[name].sizes["layer"]
        layers = sorted({min(2, depth), (depth + 1) // 2, depth})
        found = second_moment_law.laws(stack.of_case(subject.case(name), subject.inputs(name)), layers).get(QUANTITY)
        if found:
            panels.append((name, found))
    if not panels:
        raise NothingToDraw(
            "no exact law to draw: theory has it for Gaussian weights and one input, and every network must be kept"
        )
    columns = min(2, len(panels))
    size = (1.0 + 4.0 * columns, 0.5 + 2.9 * -(-len(panels) // columns))
    drawn, grid = style.panels(len(panels), columns, size, ax)
    for axes, (name, found) in zip(grid, panels, strict=True):
        dataset = subject[name]
        logs = {
            layer: kept_rows.natural_logarithms(dataset, QUANTITY, slice(layer - 1, layer))[:, 0] for layer in found
        }
        _panel(axes, logs, found)
        axes.set_title(name)
        axes.set_xlabel("mean of h² in one network")
        axes.set_ylabel("density of its logarithm")
        axes.legend(title="layer", loc="best")
    return drawn


def left_out(subject: Subject, names: Sequence[str]) -> str:
    """How many cases of how many are drawn, where it may not be all that have a law."""
    return caption.some_of(LARGEST, len(names), "case")


def _panel(axes: Any, logs: dict[int, Any], found: dict[int, second_moment_law.Law]) -> None:
    far = style.is_far([of_layer / math.log(10.0) for of_layer in logs.values()])
    show = (lambda x: x / math.log(10.0)) if far else np.exp
    if not far:
        axes.set_xscale("log")
    for number, (layer, law) in enumerate(found.items()):
        alive = logs[layer]
        alive = alive[np.isfinite(alive)]
        if not len(alive):
            continue
        low, high = np.quantile(alive, [0.0005, 0.9995]).tolist()
        edges = np.linspace(low, high, 41)
        counts = np.histogram(alive, edges)[0] / len(alive) / np.diff(edges)
        look = style.line(number)
        axes.stairs(counts, show(edges), color=look["color"], alpha=0.3, fill=True)
        centres = show(0.5 * (edges[1:] + edges[:-1]))
        shown = {"color": look["color"], "marker": look["marker"], "linestyle": "none", "markersize": 3.0}
        axes.plot(centres, np.where(counts > 0, counts, np.nan), label=f"{layer}", **shown)
        fine = np.linspace(edges[0], edges[-1], 300)
        label = "exact" if number == len(found) - 1 else None
        axes.plot(show(fine), law.density(fine), label=label, **style.THEORY)
    if far:
        style.powers_of_ten(axes.xaxis)
    else:
        style.few_ticks(axes)
