"""log |phi'(h)| of the activations whose slope leaves float32 in its tails: its sign, and the logarithm.

Float32 throughout: the rounding of a logarithm magnifies like that of h itself. Only layers that are saturated
altogether come here. The true value is ``h * 2**excess``; the excess is zero but where a slope decays no faster than a
power of h, all others being zero there. ``a`` is the activation's parameter. A slope of 0 has the sign 0.
"""

import math

from .elementary import LN2_HIGH, LN2_LOW, ONE, TWO, ZERO, absolute, erfcx, exp, log1p_unit
from .scalars import float32

HALF = float32(0.5)
FOUR = float32(4.0)
LOG_FOUR = float32(1.3862943611198906)
LOG_SELU_SCALE = float32(0.049457548424229086)
LOG_SELU_SLOPE = float32(0.5642333055432538)  # of scale times alpha
LOG_ERF_SLOPE = float32(0.1207822376352452)  # of 2 / sqrt(pi)
ROOT_HALF = float32(0.7071067811865476)
NORMAL_DENSITY = float32(0.3989422804014327)  # 1 / sqrt(2 pi)
GELU_CUBIC = float32(0.044715)
GELU_INNER = float32(1.5957691216057308)  # 2 sqrt(2 / pi)
GELU_INNER_CUBIC = float32(3.0 * 0.044715)
CUBED = float32(1e12)  # its cube is inside float32
MOST = float32(20.0)  # exp of it has a square inside float32
# A slope below 2^-LAST_LOG2 counts as zero: exponents add up over layers, in 32 bits on the GPU.
LAST_LOG2 = float32(2.0**20)
EXCESS_EXPONENT = 100  # h is shown times 2^100 at most, the rest of its exponent as the excess


def logarithm(x):
    return float32(math.log(x))


def signed_log(slope):
    """Sign and logarithm of a number's size."""
    if slope == ZERO:
        return ZERO, ZERO
    return (ONE if slope > ZERO else -ONE), logarithm(absolute(slope))


def _log_logistic(h):
    """log 1 / (1 + e^-h)."""
    return (h if h < ZERO else ZERO) - log1p_unit(exp(-absolute(h)))


def _gated(inner, product):
    """Of h logistic(inner), where ``product`` is h times the derivative of ``inner``."""
    sign, size = signed_log(ONE + product * exp(_log_logistic(-inner)))
    return sign, _log_logistic(inner) + size


def tanh_(h, excess, a):
    u = -TWO * absolute(h)
    return ONE, LOG_FOUR + u - TWO * log1p_unit(exp(u))


def sigmoid(h, excess, a):
    return ONE, -absolute(h) - TWO * log1p_unit(exp(-absolute(h)))


def softplus(h, excess, a):
    return ONE, _log_logistic(h)


def softsign(h, excess, a):
    return ONE, -TWO * (logarithm(ONE + absolute(h)) + excess * LN2_HIGH + excess * LN2_LOW)


def erf_(h, excess, a):
    return ONE, LOG_ERF_SLOPE - h * h


def elu(h, excess, a):
    sign, size = signed_log(a)
    return (ONE if h > ZERO else sign), (ZERO if h > ZERO else size + h)


def celu(h, excess, a):
    return ONE, (ZERO if h > ZERO else h / a)


def selu(h, excess, a):
    return ONE, (LOG_SELU_SCALE if h > ZERO else LOG_SELU_SLOPE + h)


def gelu(h, excess, a):
    size = absolute(h)
    tail = HALF * erfcx(size * ROOT_HALF)  # of the distribution, over e^(-h^2 / 2)
    if h < ZERO:
        sign, log = signed_log(tail - size * NORMAL_DENSITY)
        return sign, log - HALF * h * h
    return signed_log(ONE - exp(-HALF * h * h) * (tail - size * NORMAL_DENSITY))


def gelu_tanh(h, excess, a):
    bounded = h if h > -CUBED else -CUBED
    bounded = bounded if bounded < CUBED else CUBED
    q = bounded * bounded
    inner = GELU_INNER * bounded * (ONE + GELU_CUBIC * q)
    return _gated(inner, bounded * GELU_INNER * (ONE + GELU_INNER_CUBIC * q))


def silu(h, excess, a):
    return _gated(h, h)


def mish(h, excess, a):
    bounded = h if h < MOST else MOST
    w = exp(bounded)
    n = w * (w + TWO) + TWO
    sign, size = signed_log((w + TWO) / n + FOUR * bounded * (w + ONE) / n / n)
    return sign, bounded + size


BY_KIND = {
    "tanh": tanh_,
    "sigmoid": sigmoid,
    "softplus": softplus,
    "softsign": softsign,
    "erf": erf_,
    "elu": elu,
    "celu": celu,
    "selu": selu,
    "gelu": gelu,
    "gelu_tanh": gelu_tanh,
    "silu": silu,
    "mish": mish,
}
