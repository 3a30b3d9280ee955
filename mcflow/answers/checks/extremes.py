"""The smallest and the largest of all networks: one that is absurd hides in every mean."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from mcflow.answers.checks.recorded import Floats, Recorded, extreme_rows
from mcflow.answers.verdict_rows import Row
from mcflow.theory.finite_width.second_moment_law import Law

FLOOR = 1e-11  # probabilities of a tabulated law are right to this
D2 = "gradient_second_moment"


def rows(recorded: Recorded) -> Iterable[Row]:
    """The largest gradients, under what bounds them."""
    if recorded.has(D2):
        yield from _last_gradient(recorded)
        yield from _gradients(recorded)


def under_law(recorded: Recorded, layer: int, quantity: str, law: Law, logs: Floats) -> Iterable[Row]:
    """Both extremes of (network,) values, given by their logarithms, under their law; ``layer`` counted from 0."""
    low, high = law.cdf(np.array([logs.min(), logs.max()])).tolist()
    tails = max(low, FLOOR), max(1.0 - high, FLOOR)
    with np.errstate(over="ignore", under="ignore"):
        values = np.exp(logs)
    return extreme_rows(recorded, layer, quantity, values, tails, "exact-law")


def _last_gradient(recorded: Recorded) -> Iterable[Row]:
    """d_L = phi'(h) v with |phi'| <= b: the sum of d^2 over units and inputs is at most b^2 chi^2."""
    stack = recorded.stack
    bound = stack.activation.dphi_max
    if not (math.isfinite(bound) and bound > 0):
        return
    from scipy.special import chdtrc

    layer = stack.depth - 1
    if not recorded.is_plain(layer):
        return
    units = float(stack.width[layer]) * recorded.inputs
    values = recorded.column(D2, layer)
    values = values[np.isfinite(values)]
    if len(values):
        tail = float(chdtrc(units, units * values.max() / bound**2))
        yield from extreme_rows(recorded, layer, D2, values, (1.0, tail), "exact", "_under_bound")[1:]


def _gradients(recorded: Recorded) -> Iterable[Row]:
    """|d_l| <= b |W| |d_(l+1)|, and P(|W| > s (sqrt n + sqrt m + t)) <= exp(-t^2 / 2) (Davidson & Szarek 2001)."""
    stack = recorded.stack
    bound = stack.activation.dphi_max
    if not stack.distribution.is_gaussian or not (math.isfinite(bound) and bound > 0):
        return
    for layer in recorded.layers[:-1]:
        n, above = float(stack.width[layer]), float(stack.width[layer + 1])
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            step = n * recorded.column(D2, layer) / (above * recorded.column(D2, layer + 1))
        step = step[np.isfinite(step)]
        if not len(step):
            continue
        norm = np.sqrt(step.max() / stack.weight_variance[layer + 1]) / bound
        beyond = max(0.0, float(norm) - math.sqrt(n) - math.sqrt(above))
        tail = math.exp(-0.5 * beyond * beyond)
        yield from extreme_rows(recorded, layer, D2, _relative(step), (1.0, tail), "exact", "_given_above")[1:]


def _relative(step: Floats) -> Floats:
    """Steps back through a layer, over their median."""
    return step / np.median(step)
