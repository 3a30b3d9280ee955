"""The share of a layer that carries its activations, against depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mcflow.plots import NothingToDraw, bands, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mcflow.answers.subject import Subject

SAYS = "lines: means over networks, bands: from their 5 % to their 95 % quantile"
QUANTITY = "participation_ratio"


def left_out(subject: Subject, names: Sequence[str]) -> str:
    """Nothing: every case is drawn."""
    return ""


def figure(subject: Subject, names: Sequence[str], ax: Any = None) -> Figure:
    """(mean x^2)^2 / mean x^4 over units and inputs, with bands over networks; infinite width dashed."""
    names = [name for name in names if f"{QUANTITY}_mean" in subject[name]]
    if not names:
        raise NothingToDraw("no participation ratios: files of format 1.1 and the chain of norms have none")
    drawn, (axes,) = style.panels(1, 1, (6.4 if len(names) <= 4 else 8.4, 3.8), ax)
    bands.panel(axes, subject, names, QUANTITY)
    axes.set_ylim(0.0, 1.02)
    axes.set_ylabel("participation ratio of x")
    bands.legend(drawn, axes, names, ax is None)
    return drawn
