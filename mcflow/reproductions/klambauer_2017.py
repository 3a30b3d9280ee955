"""Klambauer et al. 2017: the fixed point of SELU networks.

Klambauer, Unterthiner, Mayr & Hochreiter, Self-normalizing neural networks, NeurIPS 2017. With LeCun weights mean 0 and
variance 1 of the activations are a fixed point that attracts: the variance map has the slope 0.782648 there (their
Jacobian, section A.3.1). The first layer here makes variances of 1/2, 1 and 2 by its fans; later ones bring each to 1.
Of gradients the statement says nothing: they grow by 1.0716 a layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mcflow.answers import allowances
from mcflow.model.case import Case
from mcflow.model.study import Study
from mcflow.plots import style
from mcflow.reproductions.claims import Claim

if TYPE_CHECKING:
    from mcflow.files.result import Result
    from mcflow.plots.style import Figure

WIDTH, DEPTH = 512, 24
STARTS = {0.5: WIDTH // 2, 1.0: WIDTH, 2.0: 2 * WIDTH}  # variance of h in layer 1 -> input size
SLOPE = 0.782648
QUANTITY = "activation_second_moment"


def study() -> Study:
    common: dict[str, Any] = {"depth": DEPTH, "width": WIDTH, "gain": 1.0, "mode": "fan_out"}
    return Study(tuple(Case("kaiming_normal", "selu", features=n, **common) for n in STARTS.values()), networks=1000)


def _name(start: float) -> str:
    return f"kaiming_normal-selu-features{STARTS[start]}"


def judge(result: Result) -> list[Claim]:
    claims = []
    for start in STARTS:
        dataset = result[_name(start)]
        mean, error = (float(dataset[f"{QUANTITY}_{what}"].values[-1]) for what in ("mean", "standard_error"))
        statement = f"variance of activations after {DEPTH} layers from {start:g}"
        claims.append(Claim(statement, "thm 1", 1.0, mean, error, 0.02))
    middle = result[_name(1.0)]
    mean, error = (float(middle[f"activation_mean_{what}"].values[-1]) for what in ("mean", "standard_error"))
    claims.append(Claim("mean of activations after them", "thm 1", 0.0, mean, error, 0.02))
    # a difference of both sides cancels the curvature of the map to first order, and common random numbers the noise
    rows = [result[_name(start)][QUANTITY].values for start in (0.5, 2.0)]
    gap = (rows[1] - rows[0]).mean(axis=0)
    spread = (rows[1] - rows[0]).std(axis=0, ddof=1) / len(rows[0]) ** 0.5
    slope = float((gap[12] / gap[6]) ** (1 / 6))
    error = slope / 6 * float(np.hypot(spread[12] / gap[12], spread[6] / gap[6]))
    statement = "factor by which a difference in variance shrinks per layer"
    claims.append(Claim(statement, "section A.3.1", SLOPE, slope, error, 0.02))
    return claims


def figure(result: Result) -> Figure:
    drawn = style.new_figure(6.4, 3.6)
    axes = drawn.subplots()
    for number, start in enumerate(STARTS):
        name = _name(start)
        dataset = result[name]
        layer, look = dataset["layer"].values, style.line(number)
        low, high = (dataset[f"{QUANTITY}_{q}"].values for q in ("q05", "q95"))
        axes.fill_between(layer, low, high, color=look["color"], alpha=0.15, linewidth=0)
        axes.plot(layer, dataset[f"{QUANTITY}_mean"].values, label=f"h starts at variance {start:g}", **look)
        prediction = allowances.predict(result.case(name), result.inputs(name)).of[QUANTITY].mean
        axes.plot(layer, prediction, label="theory" if number == 2 else None, **style.THEORY)
    style.layer_axis(axes)
    axes.set_ylabel("activations, mean of x²")
    axes.legend()
    return drawn
