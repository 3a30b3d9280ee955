"""Glorot & Bengio 2010: standard against normalised initialisation of a tanh network.

Glorot & Bengio, Understanding the difficulty of training deep feedforward neural networks, AISTATS 2010. Five tanh
layers of 1000 units. The standard initialisation U(-1/sqrt(n), 1/sqrt(n)) has n Var W = 1/3, so that activations and
back-propagated gradients shrink by 1/3 a layer, while the gradients of the weights are alike in all layers (their eq.
5 to 14, figures 6 to 8). The normalised one (eq. 16) keeps n Var W = 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mcflow.answers.subject import Subject
from mcflow.model.case import Case
from mcflow.model.study import Study
from mcflow.plots import flow
from mcflow.reproductions.claims import Claim

if TYPE_CHECKING:
    from mcflow.files.result import Result
    from mcflow.plots.style import Figure

STANDARD, NORMALISED = 0, 1  # places of the cases
SOURCE = "eq. 5 to 14"


def study() -> Study:
    shape: dict[str, Any] = {"depth": 5, "width": 1000}
    cases = (Case("lecun_uniform", "tanh", gain=3.0**-0.5, **shape), Case("xavier_uniform", "tanh", **shape))
    return Study(cases, networks=48)


def judge(result: Result) -> list[Claim]:
    forward, forward_error = _factor(result, STANDARD, "activation_second_moment", (1, 4))
    backward, backward_error = _factor(result, STANDARD, "gradient_second_moment", (4, 1))
    kept, kept_error = _factor(result, NORMALISED, "gradient_second_moment", (4, 1))
    rows = result[result.names[STANDARD]]["weight_gradient_second_moment"].values
    alike = rows.mean(axis=0)
    return [
        Claim("standard: activations' variance, factor per layer", SOURCE, 1 / 3, forward, forward_error, 0.05),
        Claim("standard: gradients' variance, factor per layer", SOURCE, 1 / 3, backward, backward_error, 0.05),
        Claim(
            "standard: variance of weight gradients, largest over smallest of the layers",
            SOURCE, 2.0, float(alike.max() / alike.min()), float(2 * np.std(rows[:, 0] / alike[0]) / len(rows) ** 0.5),
            bound="at most",
        ),
        Claim("normalised: gradients' variance, factor per layer", "eq. 16", 2 / 3, kept, kept_error, bound="at least"),
    ]  # fmt: skip


def _factor(result: Result, place: int, quantity: str, ends: tuple[int, int]) -> tuple[float, float]:
    """Factor per layer from one layer (index) to another, and its standard error. The first layer's tanh saturates."""
    rows = result[result.names[place]][quantity].values
    logs = (np.log(rows[:, ends[1]]) - np.log(rows[:, ends[0]])) / abs(ends[1] - ends[0])
    factor = float(np.exp(logs.mean()))
    return factor, factor * float(logs.std(ddof=1)) / len(logs) ** 0.5


def figure(result: Result) -> Figure:
    return flow.figure(Subject(result), result.names)
