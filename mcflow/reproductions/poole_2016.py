"""Poole et al. 2016: the correlation of two inputs in the ordered and the chaotic phase.

Poole, Lahiri, Raghu, Sohl-Dickstein & Ganguli, Exponential expressivity in deep neural networks through transient
chaos, NeurIPS 2016. tanh with sigma_b = 0.3: for small sigma_w all inputs become alike (c* = 1), beyond the edge nearby
inputs decorrelate to c* < 1, whatever their correlation was (their eq. 5, figures 2 and 3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcflow.answers.subject import Subject
from mcflow.model.case import Case
from mcflow.model.study import Study
from mcflow.plots import correlation
from mcflow.reproductions.claims import Claim
from mcflow.theory import fixed_points

if TYPE_CHECKING:
    from mcflow.files.result import Result
    from mcflow.plots.style import Figure

BIAS, WIDTH, DEPTH = 0.3, 1000, 30
GAINS = (1.0, 2.5, 4.0)
CORRELATIONS = (0.2, 0.98)


def study() -> Study:
    cases = tuple(
        Case("lecun_normal", "tanh", DEPTH, WIDTH, batch=2, correlation=c, gain=gain, bias_std=BIAS)
        for gain in GAINS
        for c in CORRELATIONS
    )
    return Study(cases, networks=200, backward=False)


def judge(result: Result) -> list[Claim]:
    claims = []
    for gain in GAINS:
        fixed = fixed_points("tanh", gain * gain, BIAS * BIAS)[-1].c
        for c in CORRELATIONS:
            dataset = result[f"lecun_normal-tanh-correlation{c}-gain{gain}"]
            found, error = (
                float(dataset[f"preactivation_correlation_{what}"].values[-1]) for what in ("mean", "standard_error")
            )
            statement = f"sigma_w = {gain:g}: correlation after {DEPTH} layers from {c:g}"
            claims.append(Claim(statement, "eq. 5 (c*)", fixed, found, error, 0.02))
    return claims


def figure(result: Result) -> Figure:
    return correlation.figure(Subject(result), result.names)
