"""Schoenholz et al. 2017: the depth scale of correlations.

Schoenholz, Gilmer, Ganguli & Sohl-Dickstein, Deep information propagation, ICLR 2017. The correlation of two inputs
approaches its fixed point as exp(-l / xi_c), -1 / xi_c = log of the slope of the correlation map (their eq. 9, figure
2): a tanh network is trainable to about six xi_c. Here sigma_b^2 = 0.05 in the ordered phase and in the chaotic one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mcflow.model.case import Case
from mcflow.model.study import Study
from mcflow.plots import style
from mcflow.reproductions.claims import Claim
from mcflow.theory import fixed_points

if TYPE_CHECKING:
    from mcflow.files.result import Result
    from mcflow.plots.style import Figure

BIAS_VARIANCE, WIDTH, DEPTH = 0.05, 2000, 24
GAINS = {0.8: (6, 18), 1.1: (8, 22), 4.0: (9, 15)}  # sigma_w -> layers (from 1) between which the rate is taken
PAIR = (0.4, 0.9)  # correlations of two pairs: their difference decays to 0, so that c* need not be known


def study() -> Study:
    cases = tuple(
        Case("lecun_normal", "tanh", DEPTH, WIDTH, batch=2, correlation=c, gain=gain, bias_std=BIAS_VARIANCE**0.5)
        for gain in GAINS
        for c in PAIR
    )
    return Study(cases, networks=400, backward=False)


def _gaps(result: Result, gain: float) -> np.ndarray:
    """(network, layer) differences of the correlations of the two pairs, under common random numbers."""
    low, high = (
        result[f"lecun_normal-tanh-correlation{c}-gain{gain}"]["preactivation_correlation"].values for c in PAIR
    )
    return np.asarray(high - low)


def judge(result: Result) -> list[Claim]:
    claims = []
    for gain, (first, last) in GAINS.items():
        gaps = _gaps(result, gain)
        mean, error = gaps.mean(axis=0), gaps.std(axis=0, ddof=1) / len(gaps) ** 0.5
        rate = float(np.log(mean[first - 1] / mean[last - 1])) / (last - first)
        spread = float(np.hypot(error[first - 1] / mean[first - 1], error[last - 1] / mean[last - 1])) / (last - first)
        scale = fixed_points("tanh", gain * gain, BIAS_VARIANCE)[-1].xi_c
        statement = f"sigma_w = {gain:g}: depth scale of the correlation, in layers"
        claims.append(Claim(statement, "eq. 9 (xi_c)", scale, 1 / rate, spread / rate**2, 0.1 * scale))
    return claims


def figure(result: Result) -> Figure:
    drawn = style.new_figure(6.4, 3.8)
    axes = drawn.subplots()
    layer = np.arange(1, DEPTH + 1)
    for number, (gain, (first, _)) in enumerate(GAINS.items()):
        mean = _gaps(result, gain).mean(axis=0)
        point = fixed_points("tanh", gain * gain, BIAS_VARIANCE)[-1]
        axes.plot(layer, mean, label=f"sigma_w = {gain:g}, xi_c = {point.xi_c:.2f}", **style.line(number))
        line = mean[first - 1] * np.exp(-(layer - first) / point.xi_c)
        axes.plot(layer, line, label="exp(-l / xi_c)" if number == len(GAINS) - 1 else None, **style.THEORY)
    axes.set_yscale("log")
    axes.set_ylim(1e-4, 1.0)
    style.layer_axis(axes)
    axes.set_ylabel("difference of two pairs' correlations")
    axes.legend()
    return drawn
