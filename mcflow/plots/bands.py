"""One quantity against depth, a line for each case: what the figures of numbers between -1 and 1 are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mcflow.answers.subject import Subject
from mcflow.plots import style


def panel(axes: Any, subject: Subject, names: Sequence[str], quantity: str) -> None:
    """Means with bands from the 5 % to the 95 % quantile over networks; theory dashed and black."""
    for number, name in enumerate(names):
        dataset = subject[name]
        layer = dataset["layer"].values
        look = style.line(number)
        low, high = (dataset[f"{quantity}_{q}"].values for q in ("q05", "q95"))
        axes.fill_between(layer, low, high, color=look["color"], alpha=0.12, linewidth=0)
        mean = dataset[f"{quantity}_mean"].values
        axes.plot(layer, mean, label=name, markevery=style.marks(len(layer)), **look)
        prediction = subject.prediction(name).of.get(quantity)
        if prediction is not None:
            axes.plot(layer, prediction.mean, label="theory" if number == len(names) - 1 else None, **style.THEORY)
    style.layer_axis(axes)


def legend(drawn: Any, axes: Any, names: Sequence[str], is_ours: bool) -> None:
    """The names of the cases: beside the panels where they are many and the figure is ours to lay out."""
    if len(names) > 4 and is_ours:
        drawn.legend(*axes.get_legend_handles_labels(), loc="outside right upper")
    else:
        axes.legend(loc="best")
