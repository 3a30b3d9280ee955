"""Fixed points, edge of chaos, depth scales and the gains that keep a variance."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mcflow.activations.given import Given, resolve
from mcflow.activations.registry import Activation
from mcflow.errors import InputError
from mcflow.mean_field import pairs
from mcflow.mean_field.moments import log_moments, moments
from mcflow.mean_field.variance_map import GRID, LOWEST, highest, limit, log_variance, roots_of, vanishes_at_zero

MARGINAL = 1e-9  # |slope - 1| under which a fixed point counts as marginal
TRAINABLE = 6.0  # depth scales that a signal survives (Schoenholz et al. 2017, section 5)


@dataclass(frozen=True)
class FixedPoint:
    """One solution of q = V(q) and what holds there.

    ``q`` is the variance of a preactivation, ``chi_1`` the factor of E d^2 from layer to layer, ``chi_parallel`` =
    V'(q), ``c`` the correlation to which two inputs of this q go, ``slope_c`` the slope of the correlation map there;
    ``xi_q`` and ``xi_c`` are depth scales in layers (infinite where the approach is not exponential).
    """

    q: float
    chi_1: float
    chi_parallel: float
    c: float
    slope_c: float
    weight_variance: float
    bias_variance: float

    @property
    def stable(self) -> bool:
        return abs(self.chi_parallel) < 1.0 - MARGINAL

    @property
    def xi_q(self) -> float:
        return depth_scale(self.chi_parallel)

    @property
    def xi_c(self) -> float:
        return depth_scale(self.slope_c)

    @property
    def trainable_depth(self) -> float:
        """Layers that a signal survives: six depth scales, the shorter of xi_c and 1 / |ln chi_1|.

        NaN at an unstable point (|V'(q)| > 1), where no signal stays.
        """
        if abs(self.chi_parallel) > 1.0 + MARGINAL:
            return math.nan
        return TRAINABLE * min(self.xi_c, depth_scale(self.chi_1))


class FixedPoints(tuple[FixedPoint, ...]):
    """Every fixed point found, by growing q, and ``sentence``: what there is, or why there is none."""

    sentence: str

    def __new__(cls, points: Sequence[FixedPoint], sentence: str) -> FixedPoints:
        made = super().__new__(cls, tuple(points))
        made.sentence = sentence
        return made


def depth_scale(slope: float) -> float:
    """-1 / ln |slope| as a positive number of layers; 0 at slope 0, infinite at 1."""
    if slope == 0.0:
        return 0.0
    logarithm = abs(math.log(abs(slope)))
    return math.inf if logarithm < MARGINAL else 1.0 / logarithm


def fixed_points(activation: Given, weight_variance: float, bias_variance: float = 0.0) -> FixedPoints:
    """Fixed points of q -> weight_variance E phi(sqrt(q) z)^2 + bias_variance for 1e-12 < q < 1e6, and q = 0.

    ``weight_variance`` is sigma_w^2 = fan_in Var W. Raises InputError for variances out of range. Poole et al. 2016
    (length and correlation maps); Schoenholz et al. 2017, section 3.
    """
    activation = resolve(activation)
    _check_variances(weight_variance, bias_variance)
    homogeneous = _homogeneous(activation, weight_variance, bias_variance)
    if homogeneous is not None:
        return homogeneous
    growth = lambda x: log_variance(activation, weight_variance, bias_variance, x) - x  # noqa: E731
    roots = [math.exp(x) for x in roots_of(growth, LOWEST, highest(activation), GRID)]
    points = [_point(activation, weight_variance, bias_variance, q) for q in roots]
    if bias_variance == 0.0 and vanishes_at_zero(activation):
        points.insert(0, _zero(activation, weight_variance))
    return FixedPoints(points, _sentence(points, growth, activation))


@dataclass(frozen=True)
class CriticalPair:
    """A point of the edge of chaos: chi_1 = 1 at the fixed point q. ``chi_parallel`` = V'(q) there."""

    q: float
    weight_variance: float
    bias_variance: float
    chi_parallel: float

    @property
    def sigma_w(self) -> float:
        return math.sqrt(self.weight_variance)

    @property
    def sigma_b(self) -> float:
        return math.sqrt(self.bias_variance)


def critical_pair(activation: Given, q: float) -> CriticalPair | None:
    """The (sigma_w, sigma_b) with chi_1 = 1 at the fixed point q: sigma_w^2 = 1 / E phi'^2; None if sigma_b^2 < 0."""
    activation = resolve(activation)
    m = moments(activation, q)
    if not m.slope[0] > 0.0:  # of a function of steps: no weights carry a gradient through it
        return None
    weight_variance = 1.0 / float(m.slope[0])
    bias_variance = q - weight_variance * float(m.second[0])
    if bias_variance < -1e-12 * q:
        return None
    return CriticalPair(q, weight_variance, max(bias_variance, 0.0), weight_variance * float(m.second[1]) / (2.0 * q))


def edge_of_chaos(activation: Given, bias_variance: float = 0.0) -> tuple[CriticalPair, ...]:
    """Every point of the edge of chaos with this bias variance and 1e-12 < q < 1e6 (and q = 0), by growing q.

    For a piecewise linear activation sigma_w alone decides: one point, of q = 1 where every q is fixed, of q = inf
    where biases make q grow without end.
    """
    activation = resolve(activation)
    slope = activation.negative_slope
    if slope is not None:
        weight_variance = 2.0 / (1.0 + slope * slope)
        q = 1.0 if bias_variance == 0.0 else math.inf
        return (CriticalPair(q, weight_variance, bias_variance, 1.0),)
    found = []
    slope_at_zero = math.exp(log_moments(activation, LOWEST * 3)[1])
    if bias_variance == 0.0 and vanishes_at_zero(activation) and slope_at_zero > 0.0:
        at_zero = 1.0 / slope_at_zero
        found.append(CriticalPair(0.0, at_zero, 0.0, 1.0))

    def excess(log_q: float) -> float:
        second, dphi, *_ = log_moments(activation, log_q)
        return 1.0 - math.exp(second - dphi - log_q) - bias_variance * math.exp(-log_q)

    low = LOWEST if bias_variance > 0 else math.log(1e-6)  # without biases the difference is round-off below
    for x in roots_of(excess, low, highest(activation), 4 * GRID):
        pair = critical_pair(activation, math.exp(x))
        if pair is not None:
            found.append(CriticalPair(pair.q, pair.weight_variance, bias_variance, pair.chi_parallel))
    return tuple(found)


def half_stable(activation: Given) -> tuple[CriticalPair, ...]:
    """Points with chi_1 = chi_parallel = 1 at once, E[phi phi''] = 0 (Roberts, Yaida & Hanin 2022, section 5.3)."""
    activation = resolve(activation)
    if activation.negative_slope is not None:
        return ()

    def difference(log_q: float) -> float:
        m = moments(activation, math.exp(log_q))
        if m.slope[0] == 0.0:
            return math.inf
        return float(m.second[1]) / (2.0 * m.q * float(m.slope[0])) - 1.0

    roots = roots_of(difference, math.log(1e-3), math.log(1e4), 2 * GRID)
    points = [critical_pair(activation, math.exp(x)) for x in roots]
    return tuple(point for point in points if point is not None)


def critical_gain(
    activation: Given, of: str = "forward", weight_factor: float = 1.0, bias_variance: float = 0.0
) -> float:
    """The gain that keeps a variance in square layers of weight variance gain^2 ``weight_factor`` / fan_in.

    ``of`` = "forward": E phi(h)^2 = 1 at every layer, as in the inputs; where phi is too small for that, h keeps
    variance 1 instead. ``of`` = "gradient": chi_1 = 1 at the q that inputs of second moment 1 go to.
    Raises InputError where there is no such gain.
    """
    activation = resolve(activation)
    if of not in ("forward", "gradient"):
        raise InputError(f"critical gain of {of!r}; give 'forward' or 'gradient'")
    solve = _forward_variance if of == "forward" else _gradient_variance
    return math.sqrt(solve(activation, activation.scalar, bias_variance) / weight_factor)


@lru_cache(maxsize=1024)
def _forward_variance(activation: Activation, scalar: object, bias_variance: float) -> float:
    root = roots_of(lambda x: log_moments(activation, x)[0], LOWEST, highest(activation), GRID)
    kept = [math.exp(x) for x in root if math.exp(x) > bias_variance]
    if kept:
        return kept[0] - bias_variance
    second = math.exp(log_moments(activation, 0.0)[0])
    weight_variance = (1.0 - bias_variance) / second
    if weight_variance > 0 and abs(limit(activation, weight_variance, bias_variance, 1.0 + 1e-3) - 1.0) < 1e-2:
        return weight_variance
    raise InputError(
        f"no critical gain for {activation.name!r} with bias variance {bias_variance:g}: "
        "no weight variance keeps the second moment of activations at 1, nor that of preactivations; give a number"
    )


@lru_cache(maxsize=1024)
def _gradient_variance(activation: Activation, scalar: object, bias_variance: float) -> float:
    for pair in edge_of_chaos(activation, bias_variance):
        if activation.negative_slope is not None or _is_reached(activation, pair):
            return pair.weight_variance
    hint = half_stable(activation)
    better = (
        f"; with biases there is sigma_w^2 = {hint[0].weight_variance:.4g}, sigma_b^2 = {hint[0].bias_variance:.4g}"
        if hint
        else ""
    )
    raise InputError(
        f"no critical gain for the gradients of {activation.name!r} with bias variance {bias_variance:g}: chi_1 = 1 at "
        f"no variance that inputs of second moment 1 go to{better}"
    )


def _is_reached(activation: Activation, pair: CriticalPair) -> bool:
    start = pair.weight_variance + pair.bias_variance
    if pair.q == 0.0:
        # at slope 1 the approach to 0 is slow: it is enough that no step on the way grows
        steps = np.linspace(math.log(1e-3), math.log(start), 40)
        return all(log_variance(activation, pair.weight_variance, 0.0, x) < x + 1e-12 for x in steps.tolist())
    reached = limit(activation, pair.weight_variance, pair.bias_variance, start)
    return math.isfinite(reached) and abs(reached - pair.q) < 1e-5 * pair.q


def _check_variances(weight_variance: float, bias_variance: float) -> None:
    if not (math.isfinite(weight_variance) and weight_variance > 0):
        raise InputError(f"weight variance {weight_variance} is out of range; sigma_w^2 must be a positive number")
    if not (math.isfinite(bias_variance) and bias_variance >= 0):
        raise InputError(f"bias variance {bias_variance} is out of range; sigma_b^2 must be 0 or more")


def _homogeneous(activation: Activation, weight_variance: float, bias_variance: float) -> FixedPoints | None:
    slope = activation.negative_slope
    if slope is None:
        return None
    factor = weight_variance * 0.5 * (1.0 + slope * slope)
    if abs(factor - 1.0) < 1e-12:
        if bias_variance > 0:
            return FixedPoints((), "no fixed point: q grows by the bias variance at every layer")
        point = _point(activation, weight_variance, 0.0, 1.0, chi_parallel=1.0)
        return FixedPoints((point,), "every q is a fixed point (q = 1 stands for them)")
    if bias_variance == 0.0:
        sentence = "q goes to 0" if factor < 1 else "q = 0 is unstable: q grows without end"
        point = FixedPoint(0.0, factor, factor, 1.0, 1.0, weight_variance, 0.0)
        return FixedPoints((point,), sentence)
    if factor > 1.0:
        return FixedPoints((), "no fixed point: q grows without end")
    q = bias_variance / (1.0 - factor)
    return FixedPoints((_point(activation, weight_variance, bias_variance, q),), "one fixed point, stable")


def _point(
    activation: Activation, weight_variance: float, bias_variance: float, q: float, chi_parallel: float | None = None
) -> FixedPoint:
    m = moments(activation, q)
    if chi_parallel is None:
        chi_parallel = weight_variance * float(m.second[1]) / (2.0 * q)
    chi_1 = weight_variance * float(m.slope[0])
    # a jump parts two inputs however near they are, whatever phi' is said to be
    parting = math.inf if activation.jumps else chi_1
    c, slope = _correlation(activation, weight_variance, bias_variance, q, parting)
    return FixedPoint(q, chi_1, chi_parallel, c, slope, weight_variance, bias_variance)


def _zero(activation: Activation, weight_variance: float) -> FixedPoint:
    """q = 0: the map is that of the slopes of phi on both sides of 0, approached from q > 0."""
    tiny = 3 * LOWEST
    chi_1 = weight_variance * math.exp(log_moments(activation, tiny)[1])
    growth = weight_variance * math.exp(log_moments(activation, tiny)[0] - tiny)
    slope = _slope(activation, weight_variance, math.exp(tiny), 1.0, growth * math.exp(tiny))
    return FixedPoint(0.0, chi_1, growth, 1.0, slope, weight_variance, 0.0)


def _correlation(
    activation: Activation, weight_variance: float, bias_variance: float, q: float, chi_1: float
) -> tuple[float, float]:
    """The stable fixed point of the correlation map at fixed q, and its slope there."""
    mapped = weight_variance * float(moments(activation, q).second[0]) + bias_variance
    if chi_1 * q / mapped <= 1.0 + 1e-9:
        return 1.0, chi_1 * q / mapped

    def excess(c: float) -> float:
        return (weight_variance * pairs.product(activation, q, q, c, rule=pairs.FAST) + bias_variance) / mapped - c

    from scipy.optimize import brentq

    if abs(excess(0.0)) < 1e-12:  # odd phi without biases
        return 0.0, _slope(activation, weight_variance, q, 0.0, mapped)
    high = 1.0 - min(0.1, 0.1 * (chi_1 - 1.0))
    while excess(high) > 0 and high < 1.0 - 1e-9:
        high = 0.5 * (1.0 + high)
    low = -1.0 if excess(0.0) < 0 else 0.0
    if excess(low) * excess(high) > 0:
        return 1.0, chi_1 * q / mapped
    c = float(brentq(excess, low, high, xtol=1e-11))
    return c, _slope(activation, weight_variance, q, c, mapped)


def _slope(activation: Activation, weight_variance: float, q: float, c: float, mapped: float) -> float:
    if activation.jumps:  # the slope of the map is no average of phi' then
        return math.nan
    return weight_variance * pairs.product(activation, q, q, c, derivative=True) * q / mapped


def _sentence(points: Sequence[FixedPoint], growth: Callable[[float], float], activation: Activation) -> str:
    stable = sum(point.stable for point in points)
    if not points:
        way = "grows without end" if growth(0.0) > 0 else "falls below 1e-12"
        return f"no fixed point: q {way}"
    if len(points) == 1:
        kind = "stable" if stable else "marginal" if abs(points[0].chi_parallel - 1.0) <= MARGINAL else "unstable"
        return f"one fixed point, {kind}"
    return f"{len(points)} fixed points, {stable} stable: where q ends depends on where it starts"
