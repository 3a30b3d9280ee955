"""(phi(h) + phi(-h)) / 2 without cancellation: what E phi, the mean over a symmetric law, is made of.

Near h = 0 most activations are a line and a little more. A sum of phi over +-h loses the digits of that little more
(at q = 1e-12 it is 1e-7 of the line); these expressions have no line in them.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from mcflow.activations.formulas import GELU_TANH_CUBIC, SELU_ALPHA, SELU_SCALE, SQRT_2_OVER_PI
from mcflow.activations.registry import Activation
from mcflow.mean_field.quadrature import Array

SERIES_UNDER = 0.5  # of t, where t + expm1(-t) is summed as a series; 14 terms leave 0.5^14 / 16! = 3e-18
TERMS = [(-1.0) ** k / math.factorial(k) for k in range(2, 16)]


def even_part(activation: Activation, h: Array) -> Array | None:
    """(phi(h) + phi(-h)) / 2, of the shape of ``h``, to a few ulp; None where it is not known."""
    from scipy.special import erf

    if not activation.is_builtin:
        return None
    a = activation.parameter
    forms: dict[str, Callable[[], Array]] = {
        "gelu": lambda: 0.5 * h * erf(h / math.sqrt(2.0)),
        "silu": lambda: 0.5 * h * np.tanh(0.5 * h),
        "gelu_tanh": lambda: 0.5 * h * np.tanh(SQRT_2_OVER_PI * h * (1.0 + GELU_TANH_CUBIC * h * h)),
        "hardswish": lambda: np.abs(h) * np.minimum(np.abs(h) / 6.0, 0.5),
        "mish": lambda: _mish(np.abs(h)),
        "elu": lambda: _exponential_unit(np.abs(h), a),
        "celu": lambda: a * _exponential_unit(np.abs(h) / a, 1.0),
        "selu": lambda: SELU_SCALE * _exponential_unit(np.abs(h), SELU_ALPHA),
    }
    return forms[activation.kind]() if activation.kind in forms else None


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
