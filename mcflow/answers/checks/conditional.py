"""Every layer given the one below it, as recorded: exact at any width and depth, for any activation.

Given x_(l-1) the preactivations of independent rows of weights have the variance G = sigma_w^2 mean x_(l-1)^2 +
sigma_b^2, which the file holds for every network. For normal weights and one input they are N(0, G) and independent:
n mean h^2 / G is chi^2_n, the direction of h is uniform, and averages of any function of h have known moments.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mcflow import quantities
from mcflow.activations.registry import Activation
from mcflow.answers.checks.recorded import FEWEST, Floats, Recorded, average_row, extreme_rows
from mcflow.answers.verdict_rows import NUMERICAL, RARE, Row
from mcflow.errors import InputError
from mcflow.mean_field import quadrature
from mcflow.mean_field.moments import LOG_Q_HIGH, LOG_Q_LOW, USER_LOG_Q_HIGH, Moments, moments
from mcflow.statistics import hypotheses
from mcflow.theory.finite_width import exact_law
from mcflow.theory.finite_width.first_order import OBSERVABLES, Observable

STEP = exact_law.WIDEST  # of a panel in log G, on whose Chebyshev points averages are taken: 1e-9, as in the exact law
WIDEST = 12.0  # e-folds of G in one layer that are followed
FEWEST_UNITS = 1.0  # expected of one network: the scores of rarer ones have too heavy a tail
# (activation, (point,) averages) -> (2, point) means and variances
Terms = Callable[[Activation, Sequence[Moments]], Floats]
SECOND, FOURTH = "preactivation_second_moment", "preactivation_fourth_moment"


def _of_observable(observable: Observable) -> Terms:
    return lambda activation, averages: observable(activation, averages)[[0, 3]]


def _output_gradient(activation: Activation, averages: Sequence[Moments]) -> Floats:
    """Of d^2 in the last layer, where d = phi'(h) v, v ~ N(0, 1)."""
    slope = np.array([m.slope[0] for m in averages])
    return np.stack([slope, 3.0 * np.array([m.slope_fourth for m in averages]) - slope**2])


# Mean and variance of one unit's term at h ~ N(0, q) of each of the averages.
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
    terms = _Terms(stack.activation)
    for layer in recorded.layers:
        variance = recorded.variance(layer)
        square = recorded.column(SECOND, layer)
        known = np.isfinite(variance) & (square > 0) & np.isfinite(square)
        yield from _ratio(recorded, layer, square[known] / variance[known], normal)
        if spherical:
            yield from _direction(recorded, layer, known, square)
        if normal:
            yield from _averages(recorded, layer, variance, terms)


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


def _averages(recorded: Recorded, layer: int, variance: Floats, terms: _Terms) -> Iterable[Row]:
    """Averages over the units, in standard deviations about their means given G: mean 0, mean square 1."""
    last = layer == recorded.stack.depth - 1
    layers = ("every", "last") if last else ("every",)
    of_units = [name for name in TERMS if recorded.has(name) and quantities.get(name).given_below in layers]
    places = terms.places(variance)
    if places is None:
        return
    n = float(recorded.stack.width[layer])
    for quantity in of_units:
        mean, spread = terms.at(places, quantity)
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


@dataclass(frozen=True)
class _Places:
    """Which of (network,) values of log G lie in each panel, and the matrices that interpolate there."""

    count: int
    panels: dict[int, tuple[NDArray[np.bool_], Floats]]


class _Terms:
    """Means and variances of one unit's terms by log G, on Chebyshev points of panels that all layers share."""

    def __init__(self, activation: Activation) -> None:
        self.activation = activation
        self._averages: dict[int, list[Moments]] = {}
        self._tables: dict[tuple[int, str], Floats] = {}

    def places(self, variance: Floats) -> _Places | None:
        """Where (network,) variances G lie.

        None where too few are finite, they spread too far, or theory cannot average the activation there.
        """
        known = np.isfinite(variance)
        if np.count_nonzero(known) < FEWEST:
            return None
        log_g = np.where(known, np.log(np.where(known, variance, 1.0)), np.nan)
        low, high = float(np.nanmin(log_g)), float(np.nanmax(log_g))
        top = LOG_Q_HIGH if self.activation.is_builtin else USER_LOG_Q_HIGH
        first, last = math.floor(low / STEP), math.floor(high / STEP)
        if not (first * STEP > LOG_Q_LOW and (last + 1) * STEP < top and high - low < WIDEST):
            return None
        panels = {}
        for j in range(first, last + 1):
            mine = np.floor(log_g / STEP) == j
            if mine.any():
                panels[j] = mine, quadrature.interpolation(exact_law.points_of(j, STEP), log_g[mine])
        try:
            for j in panels:
                if j not in self._averages:
                    points = np.exp(exact_law.points_of(j, STEP)).tolist()
                    self._averages[j] = [moments(self.activation, g) for g in points]
        except InputError:
            return None
        return _Places(len(variance), panels)

    def at(self, places: _Places, quantity: str) -> tuple[Floats, Floats]:
        """(network,) means and variances of a quantity's term; NaN where G is not known."""
        out = np.full((2, places.count), np.nan)
        for j, (mine, interpolation) in places.panels.items():
            if (j, quantity) not in self._tables:
                self._tables[j, quantity] = TERMS[quantity](self.activation, self._averages[j])
            out[:, mine] = self._tables[j, quantity] @ interpolation.T
        return out[0], np.maximum(out[1], 0.0)
