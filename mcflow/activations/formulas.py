"""The built-in activations: phi and phi' in float64 on arrays, their kinks, and how they scale at both ends.

The float32 twins that run in the hot loops stand in ``kernels/body/activations.py`` under the same names.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Elementwise = Callable[[NDArray[np.float64]], NDArray[np.float64]]
Intervals = tuple[tuple[float, float], ...]

SELU_ALPHA = 1.6732632423543772848170429916717  # Klambauer et al. 2017, eq. 14
SELU_SCALE = 1.0507009873554804934193349852946  # Klambauer et al. 2017, eq. 14
GELU_TANH_CUBIC = 0.044715  # Hendrycks & Gimpel 2016, section 2
SQRT_2_OVER_PI = math.sqrt(2.0 / math.pi)


@dataclass(frozen=True)
class Asymptote:
    """Where phi is homogeneous to float32 accuracy: phi(h) = positive h^degree for h > 0, negative |h|^degree below."""

    negative: float
    positive: float
    degree: int = 1


@dataclass(frozen=True)
class Formula:
    """One built-in activation: see ``Activation`` for the meaning of the fields."""

    phi: Elementwise
    dphi: Elementwise
    kinks: tuple[float, ...] = ()
    dphi_max: float = 1.0
    near_zero: Asymptote | None = None
    far: Asymptote | None = None
    flat: Intervals = ()
    period: float = 0.0


def _erf(x: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.special import erf

    return np.asarray(erf(x))


def _normal_cdf(x: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.special import ndtr

    return np.asarray(ndtr(x))


def _normal_pdf(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)


def _logistic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.special import expit

    return np.asarray(expit(x))


def _softplus(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.logaddexp(0.0, x)


def _sech2(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / cosh(x)^2 without the cancellation of 1 - tanh(x)^2."""
    u = np.exp(-2.0 * np.abs(x))
    return 4.0 * u / (1.0 + u) ** 2


def _logistic_slope(x: NDArray[np.float64]) -> NDArray[np.float64]:
    u = np.exp(-np.abs(x))
    return u / (1.0 + u) ** 2


def _gelu_tanh(x: NDArray[np.float64]) -> NDArray[np.float64]:
    inner = SQRT_2_OVER_PI * x * (1.0 + GELU_TANH_CUBIC * x * x)
    return x * _logistic(2.0 * inner)  # (1 + tanh u) / 2 = logistic(2 u), without cancellation for u << 0


def _gelu_tanh_slope(x: NDArray[np.float64]) -> NDArray[np.float64]:
    inner = SQRT_2_OVER_PI * x * (1.0 + GELU_TANH_CUBIC * x * x)
    inner_slope = SQRT_2_OVER_PI * (1.0 + 3.0 * GELU_TANH_CUBIC * x * x)
    return _logistic(2.0 * inner) + 2.0 * x * _logistic_slope(2.0 * inner) * inner_slope


def _silu_slope(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return _logistic(x) + x * _logistic_slope(x)


def _mish(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return x * np.tanh(_softplus(x))


def _mish_slope(x: NDArray[np.float64]) -> NDArray[np.float64]:
    s = _softplus(x)
    return np.tanh(s) + x * _sech2(s) * _logistic(x)


def _elu(x: NDArray[np.float64], alpha: float) -> NDArray[np.float64]:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0.0)))


def _elu_slope(x: NDArray[np.float64], alpha: float) -> NDArray[np.float64]:
    return np.where(x > 0, 1.0, alpha * np.exp(np.minimum(x, 0.0)))


def _celu(x: NDArray[np.float64], alpha: float) -> NDArray[np.float64]:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0.0) / alpha))


def _celu_slope(x: NDArray[np.float64], alpha: float) -> NDArray[np.float64]:
    return np.where(x > 0, 1.0, np.exp(np.minimum(x, 0.0) / alpha))


def _hardswish_slope(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(x <= -3.0, 0.0, np.where(x >= 3.0, 1.0, x / 3.0 + 0.5))


def _inside(x: NDArray[np.float64], low: float, high: float, value: float) -> NDArray[np.float64]:
    return np.where((x > low) & (x < high), value, 0.0)


LINEAR = Asymptote(-1.0, 1.0)
GATE = Asymptote(0.0, 1.0)
HALF = Asymptote(-0.5, 0.5)
SQUARED_GATE = Asymptote(0.0, 1.0, degree=2)
ERF_SLOPE = 2.0 / math.sqrt(math.pi)
BELOW_ZERO = ((-math.inf, 0.0),)


def _leaky(a: float) -> Formula:
    scaling = Asymptote(-a, 1.0)
    return Formula(
        lambda x: np.where(x > 0, x, a * x),
        lambda x: np.where(x > 0, 1.0, a),
        (0.0,),
        max(1.0, abs(a)),
        scaling,
        scaling,
        BELOW_ZERO if a == 0.0 else (),
    )


def _elu_of(a: float) -> Formula:
    return Formula(
        lambda x: _elu(x, a),
        lambda x: _elu_slope(x, a),
        (0.0,),
        max(1.0, abs(a)),
        Asymptote(-a, 1.0),
        GATE,
        BELOW_ZERO if a == 0.0 else (),
    )


def _celu_of(a: float) -> Formula:
    return Formula(lambda x: _celu(x, a), lambda x: _celu_slope(x, a), (0.0,), 1.0, LINEAR, GATE)


# kind -> (formula of its parameter, default parameter)
PARAMETRIC: dict[str, tuple[Callable[[float], Formula], float]] = {
    "leaky_relu": (_leaky, 0.01),
    "prelu": (_leaky, 0.25),  # He et al. 2015, section 2.1: the initial slope
    "elu": (_elu_of, 1.0),
    "celu": (_celu_of, 1.0),
}

PLAIN: dict[str, Formula] = {
    "identity": Formula(lambda x: x * 1.0, np.ones_like, (), 1.0, LINEAR, LINEAR),
    "relu": _leaky(0.0),
    "relu6": Formula(
        lambda x: np.clip(x, 0.0, 6.0),
        lambda x: _inside(x, 0.0, 6.0, 1.0),
        (0.0, 6.0),
        near_zero=GATE,
        flat=((-math.inf, 0.0), (6.0, math.inf)),
    ),
    "selu": Formula(
        lambda x: SELU_SCALE * _elu(x, SELU_ALPHA),
        lambda x: SELU_SCALE * _elu_slope(x, SELU_ALPHA),
        (0.0,),
        SELU_SCALE * SELU_ALPHA,
        Asymptote(-SELU_SCALE * SELU_ALPHA, SELU_SCALE),
        Asymptote(0.0, SELU_SCALE),
    ),
    "gelu": Formula(
        lambda x: x * _normal_cdf(x),
        lambda x: _normal_cdf(x) + x * _normal_pdf(x),
        dphi_max=1.128904145185155,  # at h = sqrt(2)
        near_zero=HALF,
        far=GATE,
    ),
    "gelu_tanh": Formula(_gelu_tanh, _gelu_tanh_slope, dphi_max=1.128993068658772, near_zero=HALF, far=GATE),
    "silu": Formula(lambda x: x * _logistic(x), _silu_slope, dphi_max=1.099839320128867, near_zero=HALF, far=GATE),
    "mish": Formula(
        _mish, _mish_slope, dphi_max=1.088498161251728, near_zero=Asymptote(-0.6, 0.6), far=GATE
    ),  # mish'(0) = tanh(log 2) = 3/5
    "softplus": Formula(_softplus, _logistic, far=GATE),
    "softsign": Formula(
        lambda x: x / (1.0 + np.abs(x)), lambda x: 1.0 / (1.0 + np.abs(x)) ** 2, (0.0,), near_zero=LINEAR
    ),
    "tanh": Formula(np.tanh, _sech2, near_zero=LINEAR),
    "sigmoid": Formula(_logistic, _logistic_slope, dphi_max=0.25),
    "hardtanh": Formula(
        lambda x: np.clip(x, -1.0, 1.0),
        lambda x: _inside(x, -1.0, 1.0, 1.0),
        (-1.0, 1.0),
        near_zero=LINEAR,
        flat=((-math.inf, -1.0), (1.0, math.inf)),
    ),
    "hardsigmoid": Formula(
        lambda x: np.clip(x / 6.0 + 0.5, 0.0, 1.0),
        lambda x: _inside(x, -3.0, 3.0, 1.0 / 6.0),
        (-3.0, 3.0),
        1.0 / 6.0,
        flat=((-math.inf, -3.0), (3.0, math.inf)),
    ),
    "hardswish": Formula(
        lambda x: x * np.clip(x / 6.0 + 0.5, 0.0, 1.0),
        _hardswish_slope,
        (-3.0, 3.0),
        1.5,
        HALF,
        GATE,
        ((-math.inf, -3.0),),
    ),
    "erf": Formula(
        _erf,
        lambda x: ERF_SLOPE * np.exp(-x * x),
        dphi_max=ERF_SLOPE,
        near_zero=Asymptote(-ERF_SLOPE, ERF_SLOPE),
    ),
    "sin": Formula(np.sin, np.cos, near_zero=LINEAR, period=2.0 * math.pi),
    "squared_relu": Formula(
        lambda x: np.where(x > 0, x, 0.0) ** 2,
        lambda x: 2.0 * np.where(x > 0, x, 0.0),
        (0.0,),
        math.inf,
        SQUARED_GATE,
        SQUARED_GATE,
        BELOW_ZERO,
    ),
}
