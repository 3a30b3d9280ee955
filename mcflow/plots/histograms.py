"""Histograms of preactivations and gradients in a few layers: the picture of Glorot & Bengio 2010."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mcflow.answers.signal import depths
from mcflow.plots import NothingToDraw, caption, style
from mcflow.quantities import HISTOGRAM_REACH

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

    from mcflow.answers.subject import Subject

KINDS = {"preactivation": "preactivations h", "gradient": "gradients d"}
LARGEST = 4  # cases side by side
SAYS = "densities over units, inputs and the first networks"
COMMON = 30.0  # layers whose spreads differ by more are each drawn in units of their own spread


def figure(subject: Subject, names: Sequence[str], ax: Any = None) -> Figure:
    """A column for each case, densities of h above and of d below, a line for each of five layers."""
    names = _counted(subject, names)
    if not names:
        raise NothingToDraw("no histograms: the chain method does not count them")
    if len(names) > LARGEST:
        names = [names[i] for i in np.linspace(0, len(names) - 1, LARGEST).round().astype(int)]
    kinds = [kind for kind in KINDS if any(f"{kind}_histogram" in subject[name] for name in names)]
    size = (1.2 + 3.0 * len(names), 0.6 + 2.3 * len(kinds))
    drawn, grid = style.panels(len(kinds) * len(names), len(names), size, ax)
    for column, name in enumerate(names):
        for row, kind in enumerate(kinds):
            axes = grid[row * len(names) + column]
            unit = _panel(axes, subject[name], kind)
            axes.set_xlabel(f"{KINDS[kind]}{unit}")
            if row == 0:
                axes.set_title(name)
            if column == 0:
                axes.set_ylabel("density")
    _legends(drawn, grid[: len(names)], [subject[name].sizes["layer"] for name in names], ax is None)
    return drawn


def _legends(drawn: Figure, grid: Sequence[Any], layers: Sequence[int], is_ours: bool) -> None:
    """One beside the panels where all show the same layers and the figure is ours to lay out, else one in each."""
    look: Any = {"title": "layer", "handlelength": 2.2}
    if is_ours and len(set(layers)) == 1:
        drawn.legend(*grid[0].get_legend_handles_labels(), loc="outside right upper", **look)
    else:
        for axes in grid:
            axes.legend(loc="upper right", **look)


def left_out(subject: Subject, names: Sequence[str]) -> str:
    """How many cases of how many are drawn, where it is not all."""
    return caption.some_of(LARGEST, len(_counted(subject, names)), "case")


def _counted(subject: Subject, names: Sequence[str]) -> list[str]:
    return [name for name in names if "preactivation_histogram" in subject[name]]


def _panel(axes: Any, dataset: xarray.Dataset, kind: str) -> str:
    layers = depths(dataset.sizes["layer"])
    curves = [_density(dataset, kind, layer - 1) for layer in layers]
    with np.errstate(divide="ignore"):
        sizes = [math.log10(curve.spread) + np.log10(curve.unit) for curve in curves if curve is not None]
    if not sizes:
        return ""
    own = not np.isfinite(sizes).all() or float(np.ptp(sizes)) > math.log10(COMMON)
    typical = 1.0 if own else 10.0 ** float(np.median(sizes))
    for number, (layer, curve) in enumerate(zip(layers, curves, strict=True)):
        if curve is None:
            continue
        scale = 1.0 / curve.spread if own else curve.unit
        look = style.line(number)
        axes.plot(curve.centres * scale, curve.density / scale, label=f"{layer}", markevery=(number, 9), **look)
    reach = 3.5 if own else 3.0 * typical
    axes.set_xlim(-reach, reach)
    axes.set_yscale("log")
    axes.set_ylim(bottom=1e-3 / typical)
    return ", each in units of its spread" if own else ""


@dataclass(frozen=True)
class _Curve:
    """Centres of the inner bins, density there and the spread of what was counted, in the layer's ``unit``.

    The unit is 0 or infinite where it has left float64.
    """

    centres: NDArray[np.float64]
    density: NDArray[np.float64]
    spread: float
    unit: float


def _density(dataset: xarray.Dataset, kind: str, layer: int) -> _Curve | None:
    """The curve of a layer; None where nothing was counted."""
    counts = dataset[f"{kind}_histogram"].values[layer].astype(np.float64)
    inner = counts[1:-1]
    if inner.sum() == 0:
        return None
    edges = np.linspace(-HISTOGRAM_REACH, HISTOGRAM_REACH, len(inner) + 1)
    widths, centres = np.diff(edges), 0.5 * (edges[:-1] + edges[1:])
    spread = math.sqrt((inner * centres**2).sum() / inner.sum())
    density = inner / counts.sum() / widths
    unit = float(dataset[f"{kind}_edges"].values[layer, -2]) / HISTOGRAM_REACH
    return _Curve(centres, np.where(density > 0, density, np.nan), max(spread, float(widths[0])), unit)
