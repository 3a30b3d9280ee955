"""The built-in activations: phi and phi' in float64 on arrays, their kinks, and how they scale at both ends.

The float32 twins that run in the hot loops stand in ``kernels/body/activations.py`` under the same names.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mcflow.activations import averages, even_parts, pair_products
from mcflow.activations.averages import Averages
from mcflow.activations.constants import GELU_TANH_CUBIC, SELU_ALPHA, SELU_SCALE, SQRT_2_OVER_PI
from mcflow.activations.pair_products import PairProducts
from mcflow.quantities import SATURATION

Elementwise = Callable[[NDArray[np.float64]], NDArray[np.float64]]
Intervals = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Asymptote:
    """Where phi is homogeneous to float32 accuracy: phi(h) = positive h^degree for h > 0, negative |h|^degree below."""

    negative: float
    positive: float
    degree: int = 1


@dataclass(frozen=True)
class Repeated:
    """Where |phi'| is small, of a periodic phi: within ``half`` of (k + ``phase``) ``every``, k = .., -1, 0, 1, .."""

    phase: float
    every: float
    half: float


@dataclass(frozen=True)
class Formula:
    """What is known of one activation: all that theory, schemes and kernels ask of it.

    ``phi`` and ``dphi`` take and return float64 arrays of any shape. ``kinks`` are the points where phi or phi' is
    not smooth (quadrature splits there). ``dphi_max`` is the maximum of |phi'|, against which saturation is measured
    (infinite where phi' is unbounded: only units with phi' = 0 count then). ``near_zero`` and ``far`` say how phi
    scales below and above the range of float32, or None where it does not. ``flat`` holds the closed intervals on which
    phi' is zero: units there are not active, all others are, however small their slope. ``period`` is that of a
    periodic phi, 0 for all others, and ``saturated`` says of it where |phi'| is under 0.01 of its maximum.

    What may be None, and is found by quadrature then: ``even_part`` (phi(h) + phi(-h)) / 2 without cancellation;
    ``averages`` of q, (E phi, E phi^2, E phi'^2) in closed form; ``pair_products`` of two inputs.

    ``negative_slope`` is the slope a of a (leaky) ReLU or identity, phi(h) = h for h > 0 and a h below; None for every
    other phi. ``kaiming_slope`` is the a of kaiming's gain sqrt(2 / (1 + a^2)) and ``torch_gain`` what
    ``torch.nn.init.calculate_gain`` gives, None where torch has none. ``usual_scheme`` is the family of schemes that
    the rule of thumb takes for it.
    """

    phi: Elementwise = field(repr=False, compare=False)
    dphi: Elementwise = field(repr=False, compare=False)
    kinks: tuple[float, ...] = ()
    dphi_max: float = 1.0
    near_zero: Asymptote | None = None
    far: Asymptote | None = None
    flat: Intervals = ()
    period: float = 0.0
    saturated: Repeated | None = field(default=None, repr=False, compare=False)
    even_part: Elementwise | None = field(default=None, repr=False, compare=False)
    averages: Callable[[float], Averages] | None = field(default=None, repr=False, compare=False)
    pair_products: PairProducts | None = field(default=None, repr=False, compare=False)
    negative_slope: float | None = field(default=None, repr=False, compare=False)
    kaiming_slope: float = field(default=0.0, repr=False, compare=False)
    torch_gain: float | None = field(default=None, repr=False, compare=False)
    usual_scheme: str = field(default="", repr=False, compare=False)


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
        averages=averages.leaky(a),
        pair_products=pair_products.leaky(a),
        negative_slope=a,
        kaiming_slope=a,
        torch_gain=math.sqrt(2.0 / (1.0 + a**2)),
        usual_scheme="kaiming",
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
        even_part=partial(even_parts.elu, a=a),
        usual_scheme="kaiming",
    )


def _celu_of(a: float) -> Formula:
    even = partial(even_parts.celu, a=a)
    return Formula(lambda x: _celu(x, a), lambda x: _celu_slope(x, a), (0.0,), 1.0, LINEAR, GATE, even_part=even)


class Family(NamedTuple):
    """Activations of one parameter: the formula of it, its default, and whether it must be positive."""

    of: Callable[[float], Formula]
    default: float
    is_positive: bool = False


PARAMETRIC: dict[str, Family] = {
    "leaky_relu": Family(_leaky, 0.01),
    "prelu": Family(_leaky, 0.25),  # He et al. 2015, section 2.1: the initial slope
    "elu": Family(_elu_of, 1.0),
    "celu": Family(_celu_of, 1.0, is_positive=True),
}

PLAIN: dict[str, Formula] = {
    "identity": replace(
        _leaky(1.0),
        phi=lambda x: x * 1.0,
        dphi=np.ones_like,
        kinks=(),
        kaiming_slope=0.0,
        torch_gain=1.0,
        usual_scheme="",
    ),
    "relu": _leaky(0.0),
    "relu6": Formula(
        lambda x: np.clip(x, 0.0, 6.0),
        lambda x: _inside(x, 0.0, 6.0, 1.0),
        (0.0, 6.0),
        near_zero=GATE,
        flat=((-math.inf, 0.0), (6.0, math.inf)),
        usual_scheme="kaiming",
    ),
    "selu": Formula(
        lambda x: SELU_SCALE * _elu(x, SELU_ALPHA),
        lambda x: SELU_SCALE * _elu_slope(x, SELU_ALPHA),
        (0.0,),
        SELU_SCALE * SELU_ALPHA,
        Asymptote(-SELU_SCALE * SELU_ALPHA, SELU_SCALE),
        Asymptote(0.0, SELU_SCALE),
        even_part=even_parts.selu,
        torch_gain=0.75,
        usual_scheme="lecun",
    ),
    "gelu": Formula(
        lambda x: x * _normal_cdf(x),
        lambda x: _normal_cdf(x) + x * _normal_pdf(x),
        dphi_max=1.128904145185155,  # at h = sqrt(2)
        near_zero=HALF,
        far=GATE,
        even_part=even_parts.gelu,
        averages=averages.gelu,
    ),
    "gelu_tanh": Formula(
        _gelu_tanh,
        _gelu_tanh_slope,
        dphi_max=1.128993068658772,
        near_zero=HALF,
        far=GATE,
        even_part=even_parts.gelu_tanh,
    ),
    "silu": Formula(
        lambda x: x * _logistic(x),
        _silu_slope,
        dphi_max=1.099839320128867,
        near_zero=HALF,
        far=GATE,
        even_part=even_parts.silu,
    ),
    "mish": Formula(
        _mish,
        _mish_slope,
        dphi_max=1.088498161251728,
        near_zero=Asymptote(-0.6, 0.6),
        far=GATE,
        even_part=even_parts.mish,
    ),  # mish'(0) = tanh(log 2) = 3/5
    "softplus": Formula(_softplus, _logistic, far=GATE),
    "softsign": Formula(
        lambda x: x / (1.0 + np.abs(x)), lambda x: 1.0 / (1.0 + np.abs(x)) ** 2, (0.0,), near_zero=LINEAR
    ),
    "tanh": Formula(np.tanh, _sech2, near_zero=LINEAR, torch_gain=5.0 / 3.0, usual_scheme="xavier"),
    "sigmoid": Formula(_logistic, _logistic_slope, dphi_max=0.25, torch_gain=1.0, usual_scheme="xavier"),
    "hardtanh": Formula(
        lambda x: np.clip(x, -1.0, 1.0),
        lambda x: _inside(x, -1.0, 1.0, 1.0),
        (-1.0, 1.0),
        near_zero=LINEAR,
        flat=((-math.inf, -1.0), (1.0, math.inf)),
        averages=averages.hardtanh,
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
        even_part=even_parts.hardswish,
    ),
    "erf": Formula(
        _erf,
        lambda x: ERF_SLOPE * np.exp(-x * x),
        dphi_max=ERF_SLOPE,
        near_zero=Asymptote(-ERF_SLOPE, ERF_SLOPE),
        averages=averages.erf,
        pair_products=pair_products.ERF,
    ),
    "sin": Formula(
        np.sin,
        np.cos,
        near_zero=LINEAR,
        period=2.0 * math.pi,
        saturated=Repeated(0.5, math.pi, math.asin(SATURATION)),
        averages=averages.sin,
        pair_products=pair_products.SIN,
    ),
    "squared_relu": Formula(
        lambda x: np.where(x > 0, x, 0.0) ** 2,
        lambda x: 2.0 * np.where(x > 0, x, 0.0),
        (0.0,),
        math.inf,
        SQUARED_GATE,
        SQUARED_GATE,
        BELOW_ZERO,
        averages=averages.squared_relu,
        pair_products=pair_products.SQUARED_RELU,
    ),
}
