"""Activation and gradient flow against depth: a column for each activation, a line for each scheme, theory on top."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mcflow.plots import NothingToDraw, caption, style
from mcflow.statistics import magnitudes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mcflow.answers.subject import Subject

ROWS = {
    "activation_second_moment": "activations, mean of x²",
    "gradient_second_moment": "gradients, mean of d²",
}
LARGEST = 4  # columns side by side
SAYS = "lines: means over networks, bands: from their 5 % to their 95 % quantile"


def figure(subject: Subject, names: Sequence[str], ax: Any = None) -> Figure:
    """Means over networks with bands from the 5 % to the 95 % quantile, and the prediction as a dashed black line."""
    groups = _groups(subject, names)
    rows = [row for row in ROWS if any(f"{row}_mean" in subject[name] for name in names)]
    if not rows:
        raise NothingToDraw("no second moments of activations or gradients to draw")
    columns = list(groups)[:LARGEST]
    if len(columns) == 1:  # side by side
        drawn, grid = style.panels(len(rows), len(rows), (1.2 + 3.6 * len(rows), 3.4), ax)
    else:
        size = (1.2 + 3.1 * len(columns), 0.6 + 2.5 * len(rows))
        drawn, grid = style.panels(len(rows) * len(columns), len(columns), size, ax, sharex="col")
    for column, activation in enumerate(columns):
        for row, quantity in enumerate(rows):
            axes: Any = grid[row * len(columns) + column]
            _panel(axes, subject, groups[activation], quantity)
            if row == 0:
                axes.set_title(activation)
                axes.legend(loc="best")
            if column == 0:
                axes.set_ylabel(ROWS[quantity])
            if row == len(rows) - 1 or len(columns) == 1:
                style.layer_axis(axes)
            axes.xaxis.get_major_locator().set_params(integer=True)
    return drawn


def left_out(subject: Subject, names: Sequence[str]) -> str:
    """How many activations of how many are drawn, where it is not all."""
    return caption.some_of(LARGEST, len(_groups(subject, names)), "activation")


def _groups(subject: Subject, names: Sequence[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(subject.case(name).activation, []).append(name)
    return groups


def _panel(axes: Any, subject: Subject, names: list[str], quantity: str) -> None:
    names = [name for name in names if f"{quantity}_mean" in subject[name]]
    ends = ("mean", "q05", "q95")
    seen = {name: [magnitudes.log10_of(subject[name], f"{quantity}_{end}") for end in ends] for name in names}
    far = style.is_far([logs for of in seen.values() for logs in of])
    show = (lambda logs: np.where(np.isfinite(logs), logs, np.nan)) if far else (lambda logs: 10.0**logs)
    for number, name in enumerate(names):
        layer = subject[name]["layer"].values
        mean, low, high = (show(logs) for logs in seen[name])
        look = style.line(number)
        axes.fill_between(layer, low, high, color=look["color"], alpha=0.16, linewidth=0)
        axes.plot(layer, mean, label=label_of(subject, name, names), markevery=style.marks(len(layer)), **look)
        prediction = subject.prediction(name).of.get(quantity)
        if prediction is not None:
            label = "theory" if number == len(names) - 1 else None
            axes.plot(layer, show(prediction.log10), label=label, **style.THEORY)
    if far:
        style.powers_of_ten(axes.yaxis)
    else:
        style.log_axis(axes, [show(logs) for of in seen.values() for logs in of])


def label_of(subject: Subject, name: str, among: list[str]) -> str:
    """The scheme, where that tells the cases apart, else what follows the activation in the group's name too."""
    schemes = [subject.case(each).scheme for each in among]
    scheme = subject.case(name).scheme
    if len(set(schemes)) == len(schemes):
        return scheme.replace("_normal", "")
    return name.replace(f"-{subject.case(name).activation}", "")
