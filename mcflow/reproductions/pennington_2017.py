"""Pennington et al. 2017: orthogonal weights make tanh networks isometric, Gaussian ones cannot.

Pennington, Schoenholz & Ganguli, Resurrecting the sigmoid in deep learning through dynamical isometry, NeurIPS 2017. On
the edge of chaos the squared singular values of the Jacobian have mean 1 and variance L (mu_2 / mu_1^2 - 1 - s_1), with
s_1 = -1 for Gaussian and 0 for orthogonal weights (their eq. 22): at small q the one grows by 1 a layer,
the other stays.
A random vector sent back through the Jacobian measures it: n/2 times the relative variance of its squared norm is 1
plus that variance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mcflow.model.case import Case
from mcflow.model.study import Study
from mcflow.plots import style
from mcflow.reproductions.claims import Claim

if TYPE_CHECKING:
    from mcflow.files.result import Result
    from mcflow.plots.style import Figure

WIDTH, DEPTH, FEATURES = 512, 40, 4  # few inputs: the first layer makes q = 4 / 512, where tanh is nearly linear
NAMES = {"Gaussian": "kaiming_normal-tanh-gain1.0-modefan_out", "orthogonal": "orthogonal-tanh"}


def study() -> Study:
    shape: dict[str, Any] = {"depth": DEPTH, "width": WIDTH, "features": FEATURES}
    cases = (
        Case("kaiming_normal", "tanh", gain=1.0, mode="fan_out", **shape),
        Case("orthogonal", "tanh", **shape),
    )
    return Study(cases, networks=4000)


def _spread(result: Result, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Layers sent through, and n/2 times the relative variance over networks of the gradient's squared norm."""
    rows = result[NAMES[kind]]["gradient_second_moment"].values
    relative = rows.var(axis=0, ddof=1) / rows.mean(axis=0) ** 2
    return np.arange(DEPTH)[::-1], 0.5 * WIDTH * relative


def judge(result: Result) -> list[Claim]:
    error = (2 / result.study.networks) ** 0.5
    back, gaussian = _spread(result, "Gaussian")
    slope = float((gaussian[0] - gaussian[-1]) / back[0])
    orthogonal = float(_spread(result, "orthogonal")[1][0])
    return [
        Claim("Gaussian: growth of the singular values' variance per layer", "eq. 22", 1.0, slope, slope * error, 0.15),
        Claim(
            f"orthogonal: 1 + that variance after {DEPTH} layers",
            "eq. 22", 1.0, orthogonal, orthogonal * error, 0.15,
        ),
    ]  # fmt: skip


def figure(result: Result) -> Figure:
    drawn = style.new_figure(6.4, 3.6)
    axes = drawn.subplots()
    for number, kind in enumerate(NAMES):
        back, spread = _spread(result, kind)
        axes.plot(back, spread, label=kind, **style.line(number))
        theory = 1.0 + (back if kind == "Gaussian" else 0.0 * back)
        axes.plot(back, theory, label="theory, q → 0" if number else None, **style.THEORY)
    axes.set_xlabel("layers the gradient has gone through")
    axes.set_ylabel("1 + variance of squared singular values")
    axes.legend()
    return drawn
