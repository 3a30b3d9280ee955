"""Correlation flow: the cosine of two inputs' preactivations against depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mcflow.answers import allowances
from mcflow.plots import NothingToDraw, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mcflow.files.result import Result

QUANTITY = "preactivation_correlation"


def figure(result: Result, names: Sequence[str], ax: Any = None) -> Figure:
    """Mean cosine with a band from the 5 % to the 95 % quantile over networks; theory dashed and black."""
    names = [name for name in names if f"{QUANTITY}_mean" in result[name]]
    if not names:
        raise NothingToDraw("no correlations: they need two inputs or more (mcflow run --batch 2)")
    drawn, (axes,) = style.panels(1, 1, (6.4 if len(names) <= 4 else 8.4, 3.8), ax)
    for number, name in enumerate(names):
        dataset = result[name]
        layer = dataset["layer"].values
        look = style.line(number)
        low, high = (dataset[f"{QUANTITY}_{q}"].values for q in ("q05", "q95"))
        axes.fill_between(layer, low, high, color=look["color"], alpha=0.12, linewidth=0)
        mean = dataset[f"{QUANTITY}_mean"].values
        axes.plot(layer, mean, label=name, markevery=style.marks(len(layer)), **look)
        prediction = allowances.predict(result.case(name), result.inputs(name)).of.get(QUANTITY)
        if prediction is not None:
            axes.plot(layer, prediction.mean, label="theory" if number == len(names) - 1 else None, **style.THEORY)
    axes.set_ylim(min(-0.05, axes.get_ylim()[0]), 1.02)
    style.layer_axis(axes)
    axes.set_ylabel("correlation of h, mean over pairs")
    if len(names) > 4 and ax is None:
        drawn.legend(loc="outside right upper")
    else:
        axes.legend(loc="best")
    return drawn
