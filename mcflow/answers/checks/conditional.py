"""Every layer given the one below it, as recorded: exact at any width and depth, for any activation.

Given x_(l-1) the preactivations of independent rows of weights have the variance G = sigma_w^2 mean x_(l-1)^2 +
sigma_b^2, which the file holds for every network. For normal weights and one input they are N(0, G) and independent:
n mean h^2 / G is chi^2_n, the direction of h is uniform, and averages of any function of h have known moments.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from mcflow import quantities
from mcflow.activations.registry import Activation
from mcflow.answers.checks.recorded import FEWEST, Floats, Recorded, average_row, extreme_rows
from mcflow.answers.verdict_rows import NUMERICAL, RARE, Row
from mcflow.errors import InputError
from mcflow.mean_field.moments import LOG_Q_HIGH, LOG_Q_LOW, USER_LOG_Q_HIGH, Moments, moments
from mcflow.statistics import hypotheses
from mcflow.theory.finite_width.first_order import OBSERVABLES, Observable

NODES = 24  # of log G over its range in a layer, and NODES_PER_UNIT more for each e-fold: splines to 1e-7
NODES_PER_UNIT = 12
WIDEST = 12.0  # e-folds of G in one layer that are followed
FEWEST_UNITS = 1.0  # expected of one network: the scores of rarer ones have too heavy a tail
SECOND, FOURTH = "preactivation_second_moment", "preactivation_fourth_moment"


def _of_observable(observable: Observable) -> Callable[[Activation, Moments], tuple[float, float]]:
    def mean_and_variance(activation: Activation, m: Moments) -> tuple[float, float]:
        found = observable(activation, m)
        return found[0], found[3]

    return mean_and_variance


def _output_gradient(activation: Activation, m: Moments) -> tuple[float, float]:
    """Of d^2 in the last layer, where d = phi'(h) v, v ~ N(0, 1)."""
    return float(m.slope[0]), 3.0 * m.slope_fourth - float(m.slope[0]) ** 2


# Mean and variance of one unit's term at h ~ N(0, m.q).
TERMS = {name: _of_observable(observable) for name, observable in OBSERVABLES.items()}
TERMS["gradient_second_moment"] = _output_gradient


def rows(recorded: Recorded) -> Iterable[Row]:
    """Tests of the preactivations, of averages over the units and of the last gradient, given the layer below."""
    if not recorded.has("activation_second_moment", SECOND):
        return
    stack = recorded.stack
    single = recorded.inputs == 1
    spherical = single and stack.distribution.is_rotation_invariant and recorded.has_normal_biases
    normal = single and stack.distribution.is_gaussian and recorded.has_normal_biases
    for layer in recorded.layers:
        variance = recorded.variance(layer)
        square = recorded.column(SECOND, layer)
        known = np.isfinite(variance) & (square > 0) & np.isfinite(square)
        yield from _ratio(recorded, layer, square[known] / variance[known], normal)
        if spherical:
            yield from _direction(recorded, layer, known, square)
        if normal:
            yield from _averages(recorded, layer, variance)


def _ratio(recorded: Recorded, layer: int, ratio: Floats, normal: bool) -> Iterable[Row]:
    found = average_row(recorded, layer, SECOND, "mean_given_below", ratio, 1.0, NUMERICAL)
    if found is None:
        return
    yield found
    if not normal:
        return
    from scipy.special import chdtr, chdtrc

    n = float(recorded.stack.width[layer])
    distance, p = hypotheses.kolmogorov_smirnov(chdtr(n, n * ratio))
    error = 0.26 / math.sqrt(len(ratio))  # standard deviation of the distance under the law
    yield recorded.verdict(layer, SECOND, "law_given_below", (distance, error, 0.0, 0.0, len(ratio)), p)
    tails = float(chdtr(n, n * ratio.min())), float(chdtrc(n, n * ratio.max()))
    yield from extreme_rows(recorded, layer, SECOND, ratio, tails, "exact", "_given_below")


def _direction(recorded: Recorded, layer: int, known: NDArray[np.bool_], square: Floats) -> Iterable[Row]:
    """h / |h| is uniform on the sphere: n mean^2 / mean h^2 and mean h^4 / (mean h^2)^2 know nothing of scales."""
    n = float(recorded.stack.width[layer])
    if n < 4:
        return
    if recorded.has("preactivation_mean"):
        alignment = n * recorded.column("preactivation_mean", layer)[known] ** 2 / square[known]
        found = average_row(recorded, layer, "preactivation_mean", "square_given_size", alignment, 1.0, NUMERICAL)
        yield from [found] if found else []
    if recorded.has(FOURTH):
        with np.errstate(over="ignore", invalid="ignore"):
            kurtosis = recorded.column(FOURTH, layer)[known] / square[known] ** 2
        found = average_row(recorded, layer, FOURTH, "mean_given_size", kurtosis, 3.0 * n / (n + 2.0), 3.0 * NUMERICAL)
        yield from [found] if found else []


def _averages(recorded: Recorded, layer: int, variance: Floats) -> Iterable[Row]:
    """Averages over the units, in standard deviations about their means given G: mean 0, mean square 1."""
    last = layer == recorded.stack.depth - 1
    layers = ("every", "last") if last else ("every",)
    of_units = [name for name in TERMS if recorded.has(name) and quantities.get(name).given_below in layers]
    table = _Table.of(recorded, variance)
    if table is None:
        return
    n = float(recorded.stack.width[layer])
    for quantity in of_units:
        mean, spread = table(quantity)
        yield from _scores(recorded, layer, quantity, mean, spread / n)


def _scores(recorded: Recorded, layer: int, quantity: str, mean: Floats, variance: Floats) -> Iterable[Row]:
    values = recorded.column(quantity, layer)
    with np.errstate(invalid="ignore", divide="ignore"):
        if quantities.get(quantity).kind == "fraction":
            rarer = np.minimum(mean, 1.0 - mean) * recorded.stack.width[layer]
            if not np.nansum(rarer) > RARE or np.nanmin(rarer) < FEWEST_UNITS:
                return
        known = variance > (NUMERICAL * mean) ** 2
        scores = np.where(known, (values - mean) / np.sqrt(variance), np.nan)
        rounding = NUMERICAL * float(np.nanmean(np.abs(mean / np.sqrt(variance)))) if known.any() else 0.0
    for statistic, of, predicted in (("score_given_below", scores, 0.0), ("square_score_given_below", scores**2, 1.0)):
        found = average_row(recorded, layer, quantity, statistic, of, predicted, rounding)
        if found is not None:
            yield found


class _Table:
    """Means and variances of one unit's terms at (network,) variances G, by splines in log G."""

    def __init__(self, activation: Activation, log_g: Floats, nodes: Floats, averages: list[Moments]) -> None:
        self.activation, self.log_g, self.nodes, self.averages = activation, log_g, nodes, averages

    @classmethod
    def of(cls, recorded: Recorded, variance: Floats) -> _Table | None:
        """None where too few are finite, they spread too far, or theory cannot average the activation there."""
        known = np.isfinite(variance)
        if np.count_nonzero(known) < FEWEST:
            return None
        log_g = np.where(known, np.log(np.where(known, variance, 1.0)), np.nan)
        low, high = float(np.nanmin(log_g)), float(np.nanmax(log_g))
        activation = recorded.stack.activation
        top = LOG_Q_HIGH if activation.is_builtin else USER_LOG_Q_HIGH
        if not (low > LOG_Q_LOW and high < top and high - low < WIDEST):
            return None
        margin = 1e-6 * max(1.0, abs(low)) + 1e-3 * (high - low)
        nodes = np.linspace(low - margin, high + margin, NODES + int(NODES_PER_UNIT * (high - low)))
        try:
            return cls(activation, log_g, nodes, [moments(activation, math.exp(x)) for x in nodes.tolist()])
        except InputError:
            return None

    def __call__(self, quantity: str) -> tuple[Floats, Floats]:
        pairs = [TERMS[quantity](self.activation, m) for m in self.averages]
        from scipy.interpolate import CubicSpline

        mean, spread = (CubicSpline(self.nodes, values)(self.log_g) for values in np.array(pairs).T)
        return np.asarray(mean), np.maximum(spread, 0.0)
