"""The built-in activations in float32: each returns phi(h) and phi'(h), sharing the exponential where there is one.

``a`` is the activation's parameter (unused by most). The float64 definitions stand in
``mcflow/activations/formulas.py``.
"""

from .elementary import ONE, ZERO, absolute, erf, erfcx, exp, exp_and_expm1, log1p_unit, sincos, tanh
from .scalars import float32

HALF = float32(0.5)
TWO = float32(2.0)
THREE = float32(3.0)
FOUR = float32(4.0)
SIX = float32(6.0)
SIXTH = float32(1.0 / 6.0)
THIRD = float32(1.0 / 3.0)
ROOT_HALF = float32(0.7071067811865476)
NORMAL_DENSITY = float32(0.3989422804014327)  # 1 / sqrt(2 pi)
ERF_SLOPE = float32(1.1283791670955126)  # 2 / sqrt(pi)
SELU_ALPHA = float32(1.6732632423543772)
SELU_SCALE = float32(1.0507009873554805)
GELU_CUBIC = float32(0.044715)
GELU_INNER = float32(1.5957691216057308)  # 2 sqrt(2 / pi)
GELU_INNER_CUBIC = float32(3.0 * 0.044715)
FAR = float32(14.5)  # exp(-FAR^2 / 2) is below the smallest float32
MISH_FAR = float32(20.0)  # tanh(softplus(20)) is 1 in float32


def identity(h, a):
    return h, ONE


def relu(h, a):
    return (h if h > ZERO else ZERO), (ONE if h > ZERO else ZERO)


def leaky_relu(h, a):
    return (h if h > ZERO else a * h), (ONE if h > ZERO else a)


def relu6(h, a):
    low = h if h > ZERO else ZERO
    return (low if low < SIX else SIX), (ONE if (h > ZERO) & (h < SIX) else ZERO)


def elu(h, a):
    e, em1 = exp_and_expm1(h if h < ZERO else ZERO)
    return (h if h > ZERO else a * em1), (ONE if h > ZERO else a * e)


def celu(h, a):
    e, em1 = exp_and_expm1((h if h < ZERO else ZERO) / a)
    return (h if h > ZERO else a * em1), (ONE if h > ZERO else e)


def selu(h, a):
    x, d = elu(h, SELU_ALPHA)
    return SELU_SCALE * x, SELU_SCALE * d


def gelu(h, a):
    size = absolute(h)
    bounded = size if size < FAR else FAR
    e = exp(-HALF * bounded * bounded)
    tail = HALF * e * erfcx(bounded * ROOT_HALF)
    cdf = ONE - tail if h >= ZERO else tail
    return h * cdf, cdf + h * (NORMAL_DENSITY * e)


def _logistic(h):
    """1 / (1 + e^-h) and its derivative."""
    e = exp(-absolute(h))
    inverse = ONE / (ONE + e)
    return (inverse if h >= ZERO else e * inverse), e * inverse * inverse


def gelu_tanh(h, a):
    q = h * h
    gate, slope = _logistic(GELU_INNER * h * (ONE + GELU_CUBIC * q))
    bounded = h * slope if slope > ZERO else ZERO
    return h * gate, gate + bounded * (GELU_INNER * (ONE + GELU_INNER_CUBIC * q))


def silu(h, a):
    gate, slope = _logistic(h)
    return h * gate, gate + h * slope


def mish(h, a):
    w = exp(h if h < MISH_FAR else MISH_FAR)
    n = w * (w + TWO)
    inverse = ONE / (n + TWO)
    gate = n * inverse  # tanh(log(1 + e^h))
    slope = FOUR * w * (w + ONE) * inverse * inverse
    return h * gate, (gate + h * slope if h < MISH_FAR else ONE)


def softplus(h, a):
    e = exp(-absolute(h))
    inverse = ONE / (ONE + e)
    return (h if h > ZERO else ZERO) + log1p_unit(e), (inverse if h >= ZERO else e * inverse)


def softsign(h, a):
    inverse = ONE / (ONE + absolute(h))
    return h * inverse, inverse * inverse


def tanh_(h, a):
    e = exp(-TWO * absolute(h))
    inverse = ONE / (ONE + e)
    return tanh(h), FOUR * e * inverse * inverse


def sigmoid(h, a):
    return _logistic(h)


def hardtanh(h, a):
    low = h if h > -ONE else -ONE
    return (low if low < ONE else ONE), (ONE if (h > -ONE) & (h < ONE) else ZERO)


def hardsigmoid(h, a):
    x = h * SIXTH + HALF
    low = x if x > ZERO else ZERO
    return (low if low < ONE else ONE), (SIXTH if (h > -THREE) & (h < THREE) else ZERO)


def hardswish(h, a):
    gate, _ = hardsigmoid(h, a)
    return h * gate, (ZERO if h <= -THREE else (ONE if h >= THREE else h * THIRD + HALF))


def erf_(h, a):
    size = absolute(h)
    bounded = size if size < FAR else FAR
    return erf(h), ERF_SLOPE * exp(-bounded * bounded)


def sin(h, a):
    return sincos(h)


def squared_relu(h, a):
    x = h if h > ZERO else ZERO
    return x * x, TWO * x


BY_KIND = {
    "identity": identity,
    "relu": relu,
    "leaky_relu": leaky_relu,
    "prelu": leaky_relu,
    "relu6": relu6,
    "elu": elu,
    "celu": celu,
    "selu": selu,
    "gelu": gelu,
    "gelu_tanh": gelu_tanh,
    "silu": silu,
    "mish": mish,
    "softplus": softplus,
    "softsign": softsign,
    "tanh": tanh_,
    "sigmoid": sigmoid,
    "hardtanh": hardtanh,
    "hardsigmoid": hardsigmoid,
    "hardswish": hardswish,
    "erf": erf_,
    "sin": sin,
    "squared_relu": squared_relu,
}
