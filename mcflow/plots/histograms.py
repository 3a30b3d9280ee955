"""Histograms of preactivations and gradients in a few layers: the picture of Glorot & Bengio 2010."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mcflow.flow import depths
from mcflow.plots import NothingToDraw, style

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

    from mcflow.results import Result

KINDS = {"preactivation": "preactivations h", "gradient": "gradients d"}
LARGEST = 4  # cases side by side
COMMON = 30.0  # layers whose spreads differ by more are each drawn in units of their own spread


def figure(result: Result) -> Figure:
    """A column for each case, densities of h above and of d below, a line for each of five layers."""
    names = [name for name in result.names if "preactivation_histogram" in result[name]]
    if not names:
        raise NothingToDraw("no histograms: the chain method does not count them")
    if len(names) > LARGEST:
        names = [names[i] for i in np.linspace(0, len(names) - 1, LARGEST).round().astype(int)]
    kinds = [kind for kind in KINDS if any(f"{kind}_histogram" in result[name] for name in names)]
    drawn = style.new_figure(1.2 + 3.0 * len(names), 0.6 + 2.3 * len(kinds))
    grid = drawn.subplots(len(kinds), len(names), squeeze=False)
    for column, name in enumerate(names):
        for row, kind in enumerate(kinds):
            axes = grid[row][column]
            unit = _panel(axes, result[name], kind)
            axes.set_xlabel(f"{KINDS[kind]}{unit}")
            if row == 0:
                axes.set_title(name)
            if column == 0:
                axes.set_ylabel("density")
        grid[0][column].legend(title="layer", loc="upper right", handlelength=2.2)
    return drawn


def _panel(axes: Any, dataset: xarray.Dataset, kind: str) -> str:
    layers = depths(dataset.sizes["layer"])
    curves = [_density(dataset, kind, layer - 1) for layer in layers]
    curves_known = [curve for curve in curves if curve is not None]
    if not curves_known:
        return ""
    spreads = [spread for _, _, spread in curves_known]
    own = max(spreads) > COMMON * min(spreads)
    for number, (layer, curve) in enumerate(zip(layers, curves, strict=True)):
        if curve is None:
            continue
        x, density, spread = curve
        scale = spread if own else 1.0
        look = style.line(number)
        axes.plot(x / scale, density * scale, label=f"{layer}", markevery=(number, 9), **look)
    reach = 3.5 if own else 3.0 * float(np.median(spreads))
    axes.set_xlim(-reach, reach)
    axes.set_yscale("log")
    axes.set_ylim(bottom=1e-3 / (1.0 if own else float(np.median(spreads))))
    return ", each in units of its spread" if own else ""


def _density(dataset: xarray.Dataset, kind: str, layer: int) -> tuple[Any, Any, float] | None:
    """Centres of the inner bins, density there, and the spread of what was counted; None where nothing was."""
    counts = dataset[f"{kind}_histogram"].values[layer].astype(np.float64)
    edges = dataset[f"{kind}_edges"].values[layer]
    inner, widths = counts[1:-1], np.diff(edges[1:-1])
    if inner.sum() == 0:
        return None
    centres = 0.5 * (edges[1:-2] + edges[2:-1])
    spread = float(np.sqrt((inner * centres**2).sum() / inner.sum()))
    density = inner / counts.sum() / widths
    return centres, np.where(density > 0, density, np.nan), max(spread, float(widths[0]))
