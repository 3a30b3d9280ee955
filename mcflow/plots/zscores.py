"""The z-score map: measured minus predicted in standard errors, for every quantity and layer of a case."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mcflow.plots import NothingToDraw, style
from mcflow.verify import verify

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mcflow.results import Result
    from mcflow.verdict_rows import Row

LARGEST = 12  # cases in one picture
SCALE = 5.0  # |z| at which the colours end


def figure(result: Result) -> Figure:
    """A strip for each case; + and - mark |z| > 3 so that it reads without colour, a box what verify rejects."""
    found = verify(result)
    rows = [row for row in found.tests if row.statistic in ("mean", "log_mean") and row.z is not None and row.judged]
    names = list(dict.fromkeys(row.case for row in rows))[:LARGEST]
    if not names:
        raise NothingToDraw("no prediction to subtract")
    kinds = {name: list(dict.fromkeys(_kind(row) for row in rows if row.case == name)) for name in names}
    columns = 1 if len(names) <= 3 else 2
    rows_of_panels = -(-len(names) // columns)
    tallest = max(len(kind) for kind in kinds.values())
    drawn = style.new_figure(2.6 + 5.0 * columns, 0.7 + rows_of_panels * (0.5 + 0.17 * tallest))
    grid = drawn.subplots(rows_of_panels, columns, squeeze=False)
    image: Any = None
    for axes, name in zip(grid.ravel(), names, strict=False):
        mine = [row for row in rows if row.case == name]
        image = _strip(axes, mine, kinds[name], result[name].sizes["layer"])
        axes.set_title(f"{name}: {'consistent' if found.consistent[name] else 'inconsistent'}", loc="left")
        style.layer_axis(axes)
    for axes in grid.ravel()[len(names) :]:
        axes.remove()
    bar = drawn.colorbar(image, ax=list(grid.ravel()[: len(names)]), shrink=min(1.0, 2.0 / rows_of_panels), pad=0.01)
    bar.set_label("z = (measured - predicted) / standard error")
    return drawn


def _kind(row: Row) -> str:
    return row.quantity.replace("_", " ") + (", log" if row.statistic == "log_mean" else "")


def _strip(axes: Any, rows: list[Row], kinds: list[str], depth: int) -> Any:
    table = np.full((len(kinds), depth), np.nan)
    for row in rows:
        place = kinds.index(_kind(row))
        assert row.z is not None
        table[place, row.layer - 1] = row.z
        if row.rejected:
            axes.plot(row.layer, place, marker="s", markersize=6.5, markerfacecolor="none", color="black")
        if abs(row.z) > 3.0:
            axes.text(row.layer, place, "+" if row.z > 0 else "−", ha="center", va="center", fontsize=8)
    image = axes.imshow(
        table,
        aspect="auto",
        cmap="PuOr_r",
        vmin=-SCALE,
        vmax=SCALE,
        extent=(0.5, depth + 0.5, len(kinds) - 0.5, -0.5),
        interpolation="nearest",
    )
    axes.set_yticks(range(len(kinds)), kinds, fontsize=7)
    axes.grid(visible=False)
    return image
