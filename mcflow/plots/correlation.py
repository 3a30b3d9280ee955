"""Correlation flow: the cosine of two inputs' preactivations against depth, and that of their gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mcflow.errors import option
from mcflow.plots import NothingToDraw, bands, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mcflow.answers.subject import Subject

SAYS = "lines: means over networks, bands: from their 5 % to their 95 % quantile"
PANELS = {"preactivation_correlation": "h", "gradient_correlation": "d"}


def left_out(subject: Subject, names: Sequence[str]) -> str:
    """Nothing: every case is drawn."""
    return ""


def figure(subject: Subject, names: Sequence[str], ax: Any = None) -> Figure:
    """Mean cosines with bands over networks, of h and, where there was a backward pass, of d; theory dashed."""
    cases = {quantity: [name for name in names if f"{quantity}_mean" in subject[name]] for quantity in PANELS}
    cases = {quantity: own for quantity, own in cases.items() if own}
    if not cases:
        raise NothingToDraw(f"no correlations: they need two inputs or more ({option('batch', 2)})")
    names = next(iter(cases.values()))
    size = ((6.4 if len(names) <= 4 else 8.4) + 4.0 * (len(cases) - 1), 3.8)
    drawn, grid = style.panels(len(cases), len(cases), size, ax)
    for axes, (quantity, own) in zip(grid, cases.items(), strict=True):
        bands.panel(axes, subject, own, quantity)
        axes.set_ylim(min(-0.05, axes.get_ylim()[0]), 1.02)
        axes.set_ylabel(f"correlation of {PANELS[quantity]}, mean over pairs")
    bands.legend(drawn, grid[0], names, ax is None)
    return drawn
