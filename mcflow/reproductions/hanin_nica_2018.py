"""Hanin & Nica 2018: ReLU networks are log-normal where depth and width grow together.

Hanin & Nica, Products of many large random matrices and gradients in deep neural networks, 2018 (Commun. Math. Phys.
376, 2020), theorem 1: with depth / width fixed, log |x|^2 is normal of mean -beta/2 and variance beta = 5 sum 1/n_l
(Gaussian weights): the mean length is kept, while the typical network shrinks.
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

WIDTH, DEPTH = 200, 50
BETA = 5.0 * DEPTH / WIDTH
NETWORKS = 6000


def study() -> Study:
    return Study((Case("kaiming_normal", "relu", DEPTH, WIDTH),), networks=NETWORKS)


def _logs(result: Result, quantity: str, layer: int) -> np.ndarray:
    rows = result["kaiming_normal-relu"][quantity].values[:, layer]
    return np.asarray(np.log(rows[rows > 0]))


def judge(result: Result) -> list[Claim]:
    claims = []
    # a gradient starts at mean square 1/2, that of phi' v
    for what, logs in (
        ("activations", _logs(result, "activation_second_moment", -1)),
        ("gradients", _logs(result, "gradient_second_moment", 0) - np.log(0.5)),
    ):
        mean, variance, error = float(logs.mean()), float(logs.var(ddof=1)), float(logs.std() / NETWORKS**0.5)
        skewness = float(np.mean((logs - mean) ** 3) / variance**1.5)
        claims += [
            Claim(f"{what}: mean of the log", "thm 1", -0.5 * BETA, mean, error, 0.06),
            Claim(f"{what}: variance of the log", "thm 1", BETA, variance, variance * (2 / NETWORKS) ** 0.5, 0.1),
            Claim(f"{what}: skewness of the log", "thm 1", 0.0, skewness, (6 / NETWORKS) ** 0.5, 0.2),
        ]
    return claims


def figure(result: Result) -> Figure:
    drawn = style.new_figure(6.4, 3.6)
    axes = drawn.subplots()
    grid = np.linspace(-0.5 * BETA - 4 * BETA**0.5, -0.5 * BETA + 4 * BETA**0.5, 200)
    for number, (label, logs) in enumerate(
        (
            ("activations, layer 50", _logs(result, "activation_second_moment", -1)),
            ("gradients, layer 1", _logs(result, "gradient_second_moment", 0) - np.log(0.5)),
        )
    ):
        counts, edges = np.histogram(logs, 40)
        filled = counts > 0
        scale = 1.0 / (len(logs) * np.diff(edges)[filled])
        density = counts[filled] * scale
        error = np.sqrt(counts[filled]) * scale
        below = np.minimum(error, 0.9 * density)  # a logarithmic axis has no room for an error as large as its value
        centres = (0.5 * (edges[1:] + edges[:-1]))[filled]
        shown = {**style.line(number), "linestyle": "none", "elinewidth": 1.0}
        axes.errorbar(centres, density, [below, error], label=label, **shown)
    normal = np.exp(-0.5 * (grid + 0.5 * BETA) ** 2 / BETA) / (2 * np.pi * BETA) ** 0.5
    axes.plot(grid, normal, label="normal(-β/2, β)", **style.THEORY)
    axes.set_yscale("log")
    axes.set_ylim(2e-4, 1.0)
    axes.set_xlabel("log of mean square, one network each")
    axes.set_ylabel("density")
    axes.legend()
    return drawn
