"""The map q -> V(q) of a square layer: its logarithm, where it leads, and how zeros are searched for."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from mcflow.activations.registry import Activation
from mcflow.errors import InputError
from mcflow.mean_field import quadrature
from mcflow.mean_field.moments import log_moments
from mcflow.mean_field.quadrature import Array

LOWEST, HIGHEST = math.log(1e-12), math.log(1e6)  # where fixed points are searched for, in log q
USER_HIGHEST = math.log(1e4)
GRID = 121  # points of that search: two fixed points closer than 0.35 in log q that touch may be missed
CELL = 12  # points of a polynomial on one cell of that grid: its last coefficients are round-off
CLEAR = 1e-9  # growth beyond which its sign is known
ROUND_OFF = 1e-11  # sign changes smaller than this are noise around a function that is identically 0


def log_variance(activation: Activation, weight_variance: float, bias_variance: float, log_q: float) -> float:
    """log V(q), V(q) = weight_variance E phi^2 + bias_variance, from log q."""
    value = math.log(weight_variance) + log_moments(activation, log_q)[0]
    return float(np.logaddexp(value, math.log(bias_variance))) if bias_variance > 0 else value


def vanishes_at_zero(activation: Activation) -> bool:
    """Whether phi(0) = 0, so that q = 0 is a fixed point without biases."""
    return bool(activation.phi(np.zeros(1))[0] == 0.0)


def limit(activation: Activation, weight_variance: float, bias_variance: float, start: float) -> float:
    """The q to which the variance map goes from ``start``: 0, inf, or a fixed point.

    For maps that grow with q (all built-in ones) this is the next fixed point in the direction of the first step.
    """
    growth = lambda x: log_variance(activation, weight_variance, bias_variance, x) - x  # noqa: E731
    here = math.log(start)
    grid, second = _table(activation, activation.scalar)
    nearly = _nearly_growth(activation, weight_variance, bias_variance, int(np.searchsorted(grid, here, "right")) - 1)
    first = nearly(here) if nearly is not None else 0.0
    if abs(first) < CLEAR:
        first = growth(here)
    if abs(first) < 1e-13:
        return start
    values = math.log(weight_variance) + second
    values = (np.logaddexp(values, math.log(bias_variance)) if bias_variance > 0 else values) - grid
    ahead = np.flatnonzero((grid > here) if first > 0 else (grid < here))
    crossed = ahead[values[ahead] * first < 0.0]
    if len(crossed) == 0:
        return math.inf if first > 0 else 0.0
    from scipy.optimize import brentq

    place = int(crossed[0] if first > 0 else crossed[-1])
    beyond = float(grid[place])
    inner = [x for x in grid[ahead].tolist() if min(here, beyond) < x < max(here, beyond)]
    near = (max(inner) if first > 0 else min(inner)) if inner else here
    nearly = _nearly_growth(activation, weight_variance, bias_variance, place - 1 if first > 0 else place)
    if nearly is None or nearly(near) * nearly(beyond) >= 0.0:
        nearly = growth
    return math.exp(float(brentq(nearly, near, beyond, xtol=1e-13)))


def _nearly_growth(
    activation: Activation, weight_variance: float, bias_variance: float, cell: int
) -> Callable[[float], float] | None:
    """log V(q) - log q by log q in one cell of the search grid, to 1e-13; None where no polynomial is as good."""
    grid, _ = _table(activation, activation.scalar)
    if not 0 <= cell < len(grid) - 1:
        return None
    coefficients = _cell(activation, activation.scalar, cell)
    if not all(map(math.isfinite, coefficients)) or max(map(abs, coefficients[-2:])) > 1e-13:
        return None
    middle, half = 0.5 * float(grid[cell] + grid[cell + 1]), 0.5 * float(grid[cell + 1] - grid[cell])

    def nearly(x: float) -> float:
        second = math.exp(_chebyshev_sum(coefficients, (x - middle) / half))
        return math.log(weight_variance * second + bias_variance) - x

    return nearly


@lru_cache(maxsize=1024)
def _cell(activation: Activation, scalar: object, cell: int) -> tuple[float, ...]:
    """Chebyshev coefficients of log E phi^2 on one cell of the search grid."""
    grid, _ = _table(activation, scalar)
    points = quadrature.chebyshev(CELL, float(grid[cell]), float(grid[cell + 1]))
    values = np.array([log_moments(activation, x)[0] for x in points.tolist()])
    # points run from -1 to 1, and T_k(-cos a) = (-1)^k cos(k a)
    k, angle = np.arange(CELL)[:, None], math.pi * (np.arange(CELL) + 0.5) / CELL
    with np.errstate(invalid="ignore"):
        found = (2.0 / CELL) * (np.where(k % 2 == 0, 1.0, -1.0) * np.cos(k * angle)) @ values
    found[0] *= 0.5
    return tuple(found.tolist())


def _chebyshev_sum(coefficients: tuple[float, ...], x: float) -> float:
    """Their series at x in [-1, 1], by Clenshaw's recurrence."""
    one, two = 0.0, 0.0
    for coefficient in coefficients[:0:-1]:
        one, two = 2.0 * x * one - two + coefficient, one
    return x * one - two + coefficients[0]


@lru_cache(maxsize=64)
def _table(activation: Activation, scalar: object) -> tuple[Array, Array]:
    """log q on the search grid and log E phi^2 there, as far as the activation can be averaged."""
    grid, second = np.linspace(LOWEST, highest(activation), GRID), []
    for x in grid.tolist():
        try:
            second.append(log_moments(activation, x)[0])
        except InputError:
            break
    return grid[: len(second)], np.array(second)


def highest(activation: Activation) -> float:
    return HIGHEST if activation.is_builtin else USER_HIGHEST


def roots_of(function: Callable[[float], float], low: float, high: float, count: int) -> list[float]:
    """Zeros of ``function`` on [low, high] by sign changes on a grid and Brent's method."""
    from scipy.optimize import brentq

    grid = np.linspace(low, high, count).tolist()
    values = []
    for x in grid:
        try:
            values.append(function(x))
        except InputError:  # a user's function that cannot be averaged at so large a q: search below
            break
    found = []
    for a, b, left, right in zip(grid, grid[1:], values, values[1:], strict=False):
        if left == 0.0 and abs(right) > ROUND_OFF:
            found.append(a)
        elif left * right < 0.0 and max(abs(left), abs(right)) > ROUND_OFF:
            found.append(float(brentq(function, a, b, xtol=1e-14, rtol=1e-14)))
    return found
