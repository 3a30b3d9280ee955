"""One weight of variance 1 from random words, for each distribution that is not normal."""

from .normal import minus_two_log
from .scalars import float32, float_of, int32, uint32

ONE = float32(1.0)
HALF = float32(0.5)
# half the width of a uniform law of variance 1, in units of 2^-31
UNIFORM_STEP = float32(1.7320508075688772 * 2.0**-31)
TRUNCATED_STEP = float32(0.9544997361036416 * 2.0**-31)  # P(|N(0, 1)| < 2), in units of 2^-31
SIGN = uint32(0x80000000)
ONE_BITS = uint32(0x3F800000)
ZERO_BITS = int32(0)

# Quantile of the normal cut at +-2, over 0.87962566 so that its variance is 1, divided by v = 2 P - 1, as a polynomial
# in w = -log(1 - v^2) (the form of Giles 2010, "Approximating the erfinv function"); relative error 2e-8
QUANTILE_0, QUANTILE_1, QUANTILE_2 = float32(1.424826683e00), float32(3.730200836e-01), float32(1.855832688e-02)
QUANTILE_3, QUANTILE_4 = float32(-3.725607240e-03), float32(-2.450065519e-04)
QUANTILE_5, QUANTILE_6 = float32(1.030623043e-04), float32(-7.228029445e-06)


def uniform_pair(word_a, word_b):
    """Two U(-sqrt 3, sqrt 3) as float32."""
    return float32(int32(word_a)) * UNIFORM_STEP, float32(int32(word_b)) * UNIFORM_STEP


def _truncated(word):
    v = float32(int32(word)) * TRUNCATED_STEP
    u = (ONE - v) * (ONE + v)
    w = HALF * minus_two_log(u, ZERO_BITS)
    p = ((QUANTILE_6 * w + QUANTILE_5) * w + QUANTILE_4) * w + QUANTILE_3
    return (((p * w + QUANTILE_2) * w + QUANTILE_1) * w + QUANTILE_0) * v


def truncated_pair(word_a, word_b):
    """Two normals cut at +-2 of their own standard deviations, rescaled to variance 1: float32 within +-2.2737.

    Increasing in the words, as the uniform law is: the two are paired.
    """
    return _truncated(word_a), _truncated(word_b)


def sign_weight(word, bit):
    """+1 or -1 as float32: bit ``bit`` (0 .. 31) of the word."""
    return float_of(int32(((word << uint32(bit)) & SIGN) | ONE_BITS))
