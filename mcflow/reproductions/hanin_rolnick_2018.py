"""Hanin & Rolnick 2018: what makes networks differ is the sum of the reciprocals of their widths.

Hanin & Rolnick, How to start training: the effect of initialization and architecture, NeurIPS 2018. Between ReLU
networks with Kaiming weights the squared length of activations fluctuates by an amount that grows exponentially with
sum 1/n_l, whatever the depth (their theorem 6). For Gaussian weights its second moment over its squared mean is
prod (1 + 5 / n_l), so that the variance of the logarithm is close to 5 sum 1/n_l.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mcflow.model.case import Case
from mcflow.model.study import Study
from mcflow.plots import style
from mcflow.reproductions.claims import Claim

if TYPE_CHECKING:
    from mcflow.files.result import Result
    from mcflow.plots.style import Figure

SHAPES: tuple[tuple[int, ...], ...] = (
    (100,) * 5,
    (200,) * 10,
    (100,) * 10,
    (50,) * 10,
    (40, 120) * 6,
    (100,) * 30,
    (200,) * 60,
)
NETWORKS = 4000


def study() -> Study:
    cases = tuple(Case("kaiming_normal", "relu", width=list(shape), features=100) for shape in SHAPES)
    return Study(cases, networks=NETWORKS, backward=False)


def _points(result: Result) -> tuple[np.ndarray, np.ndarray]:
    """sum 1/n and the variance over networks of log |x_L|^2, a case each."""
    sums = np.array([sum(1.0 / n for n in shape) for shape in SHAPES])
    found = [result[name]["activation_second_moment_log_std"].values[-1] ** 2 for name in result.names]
    return sums, np.array(found)


def judge(result: Result) -> list[Claim]:
    sums, variance = _points(result)
    slope = float((sums * variance).sum() / (sums**2).sum())
    error = slope * float(np.sqrt(2.0 / NETWORKS / len(sums)))
    pairs = ((0, 1), (5, 6))  # equal sums, depths that differ by a factor of 2
    claims = [Claim("variance of the log length over sum 1/n", "thm 6", 5.0, slope, error, 0.3)]
    for a, b in pairs:
        ratio = float(variance[b] / variance[a])
        statement = f"depth {len(SHAPES[b])} over depth {len(SHAPES[a])} at the same sum 1/n = {sums[a]:.2g}: ratio"
        claims.append(Claim(statement, "thm 6", 1.0, ratio, ratio * 2.0 / NETWORKS**0.5, 0.1))
    return claims


def figure(result: Result) -> Figure:
    drawn = style.new_figure(6.0, 3.8)
    axes = drawn.subplots()
    sums, variance = _points(result)
    for number, shape in enumerate(SHAPES):
        widths = f"{shape[0]}" if len(set(shape)) == 1 else "40 and 120"
        look = {**style.line(number), "linestyle": "none", "markersize": 7.0}
        axes.plot(sums[number], variance[number], label=f"{len(shape)} layers of {widths}", **look)
    axes.plot([0.0, sums.max() * 1.05], [0.0, 5.0 * sums.max() * 1.05], label="5 sum 1/n", **style.THEORY)
    axes.set_xlabel("sum of 1/width")
    axes.set_ylabel("variance of log |x|² over networks")
    axes.legend()
    return drawn
