"""(phi(h) + phi(-h)) / 2 without cancellation: what E phi, the mean over a symmetric law, is made of.

Near h = 0 most activations are a line and a little more. A sum of phi over +-h loses the digits of that little more
(at q = 1e-12 it is 1e-7 of the line); these expressions have no line in them.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mcflow.activations.constants import GELU_TANH_CUBIC, SELU_ALPHA, SELU_SCALE, SQRT_2_OVER_PI

Array = NDArray[np.float64]

SERIES_UNDER = 0.5  # of t, where t + expm1(-t) is summed as a series; 14 terms leave 0.5^14 / 16! = 3e-18
TERMS = [(-1.0) ** k / math.factorial(k) for k in range(2, 16)]


def gelu(h: Array) -> Array:
    from scipy.special import erf

    return np.asarray(0.5 * h * erf(h / math.sqrt(2.0)))


def silu(h: Array) -> Array:
    return np.asarray(0.5 * h * np.tanh(0.5 * h))


def gelu_tanh(h: Array) -> Array:
    return np.asarray(0.5 * h * np.tanh(SQRT_2_OVER_PI * h * (1.0 + GELU_TANH_CUBIC * h * h)))


def hardswish(h: Array) -> Array:
    return np.asarray(np.abs(h) * np.minimum(np.abs(h) / 6.0, 0.5))


def mish(h: Array) -> Array:
    return _mish(np.abs(h))


def elu(h: Array, a: float) -> Array:
    return _exponential_unit(np.abs(h), a)


def celu(h: Array, a: float) -> Array:
    return a * _exponential_unit(np.abs(h) / a, 1.0)


def selu(h: Array) -> Array:
    return SELU_SCALE * _exponential_unit(np.abs(h), SELU_ALPHA)


def _exponential_unit(t: Array, a: float) -> Array:
    """(t + a expm1(-t)) / 2 = ((1 - a) t + a (t + expm1(-t))) / 2 at t >= 0."""
    small = np.minimum(t, SERIES_UNDER)
    series = np.zeros_like(t)
    for coefficient in reversed(TERMS):
        series = series * small + coefficient
    rest = np.where(t < SERIES_UNDER, series * small * small, t + np.expm1(-t))
    return np.asarray(0.5 * ((1.0 - a) * t + a * rest))


def _mish(t: Array) -> Array:
    """t (tanh(softplus(t)) - tanh(softplus(-t))) / 2 at t >= 0, where tanh(log(1 + y)) = 1 - 2 / (y^2 + 2 y + 2)."""
    u = np.exp(-t)
    difference = -np.expm1(-4.0 * t) - 2.0 * u * np.expm1(-2.0 * t)
    return np.asarray(t * difference / ((2.0 + 2.0 * u + u * u) * (1.0 + 2.0 * u + 2.0 * u * u)))
