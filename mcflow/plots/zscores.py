"""The z-score map: measured minus predicted in standard errors, for every quantity and layer of a case."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mcflow.answers.verdict_rows import COUNTED
from mcflow.answers.verdicts import judge
from mcflow.errors import InputError
from mcflow.plots import NothingToDraw, caption, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mcflow.answers.subject import Subject
    from mcflow.answers.verdict_rows import Row

LARGEST = 12  # cases in one picture
SAYS = ""
SCALE = 5.0  # |z| at which the colours end
FAR = 3.0  # |z| that is marked by its sign
WHITE, FORGIVEN, UNJUDGED = "#f7f7f7", "#a6d8cf", "#c4c4c4"  # the first is the middle of the colour map
LEGEND: dict[str, dict[str, Any]] = {
    "no difference": {"facecolor": WHITE},
    "rejected: a box, + or \N{MINUS SIGN}": {"facecolor": WHITE, "edgecolor": "black", "linewidth": 1.6},
    "forgiven, ~: within the error of the tier": {"facecolor": FORGIVEN},
    "not judged": {"facecolor": UNJUDGED},
    "no prediction": {"facecolor": "white", "hatch": "////"},
}


def figure(subject: Subject, names: Sequence[str], ax: Any = None) -> Figure:
    """A strip for each case. Colours are differences beyond what an approximate tier is forgiven.

    It reads without them: + and - mark |z| > 3, a box what verify rejects (``?`` in it: networks without a number),
    ~ a larger difference that is forgiven; what is not judged is grey, what has no prediction hatched.
    """
    from matplotlib.patches import Patch

    try:
        found = subject.once(judge)
    except InputError as reason:  # too few networks of a case
        raise NothingToDraw(str(reason)) from None
    rows = [row for row in found.tests if row.statistic in ("mean", "log_mean", COUNTED)]
    there = {row.case for row in rows}
    names = [name for name in names if name in there][:LARGEST]
    if not names:
        raise NothingToDraw("no prediction to subtract")
    kinds = {name: list(dict.fromkeys(_kind(row) for row in rows if row.case == name)) for name in names}
    columns = 1 if len(names) <= 3 else 2
    rows_of_panels = -(-len(names) // columns)
    tallest = max(len(kind) for kind in kinds.values())
    size = (2.6 + 5.0 * columns, 1.0 + rows_of_panels * (0.5 + 0.17 * tallest))
    drawn, grid = style.panels(len(names), columns, size, ax)
    image: Any = None
    for axes, name in zip(grid, names, strict=True):
        mine = [row for row in rows if row.case == name]
        image = _strip(axes, mine, kinds[name], subject[name].sizes["layer"])
        axes.set_title(f"{name}: {'consistent' if found.consistent[name] else 'inconsistent'}", loc="left")
        style.layer_axis(axes)
    bar = drawn.colorbar(image, ax=grid, shrink=min(1.0, 2.0 / rows_of_panels), pad=0.01)
    bar.set_label("z = (measured \N{MINUS SIGN} predicted) / standard error")
    handles = [Patch(**{"edgecolor": "#999999", **look}, label=label) for label, look in LEGEND.items()]
    if ax is None:
        drawn.legend(handles=handles, loc="outside upper center", ncols=3)
    else:  # only a figure that is laid out by constraints has room outside its axes
        grid[-1].legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, fontsize=6.5)
    return drawn


def left_out(subject: Subject, names: Sequence[str]) -> str:
    """How many cases of how many are drawn, where it is not all."""
    return caption.some_of(LARGEST, len(names), "case")


def _kind(row: Row) -> str:
    return row.quantity.replace("_", " ") + (", log" if row.statistic == "log_mean" else "")


def _is_forgiven(row: Row) -> bool:
    return row.judged and row.z is not None and abs(row.measured - row.predicted) <= row.allowance


def _strip(axes: Any, rows: list[Row], kinds: list[str], depth: int) -> Any:
    from matplotlib.colors import to_rgba

    table = np.full((len(kinds), depth), np.nan)
    plain = np.zeros((len(kinds), depth, 4))  # cells without a z of their own; the rest is transparent
    for row in rows:
        place, column = kinds.index(_kind(row)), row.layer - 1
        sign = ""
        if row.statistic == COUNTED:
            sign = "?"
        elif _is_forgiven(row):
            plain[place, column] = to_rgba(FORGIVEN)
            sign = "~" if abs(row.z or 0.0) > FAR else ""
        elif not row.judged or row.z is None:
            plain[place, column] = to_rgba(UNJUDGED)
        else:
            table[place, column] = row.z
            sign = "" if abs(row.z) <= FAR else "+" if row.z > 0 else "\N{MINUS SIGN}"
        if row.rejected:
            axes.plot(row.layer, place, marker="s", markersize=7.0, markerfacecolor="none", color="black", mew=1.3)
        if sign:
            colour = "white" if abs(table[place, column]) > 0.6 * SCALE else "black"
            axes.text(row.layer, place, sign, ha="center", va="center", fontsize=8, color=colour)
    extent = (0.5, depth + 0.5, len(kinds) - 0.5, -0.5)
    look: Any = {"aspect": "auto", "extent": extent, "interpolation": "nearest"}
    image = axes.imshow(table, cmap="PuOr_r", vmin=-SCALE, vmax=SCALE, **look)
    axes.imshow(plain, **look)
    axes.patch.set(hatch="////", edgecolor="#bbbbbb", linewidth=0.0)
    axes.set_yticks(range(len(kinds)), kinds, fontsize=7)
    axes.grid(visible=False)
    return image
