"""Two standard normals from two random words: Box & Muller 1958 with polynomial logarithm, sine and cosine."""

from .elementary import square_root
from .scalars import bits_of, float32, float_of, int32, uint32

SIGN = uint32(0x80000000)
ONE = float32(1.0)
TWO_LN2 = float32(1.3862943611198906)
TURN = float32(2.0**-31)
SQRT_HALF_BITS = int32(0x3F3504F3)
MANTISSA_BITS = int32(23)
WORD_BITS = int32(32)

# -2 log(1 + m) / m for sqrt(1/2) - 1 <= m <= sqrt(2) - 1; relative error 2.7e-8
LOG_0, LOG_1, LOG_2 = float32(-1.999999948e00), float32(9.999997594e-01), float32(-6.666837127e-01)
LOG_3, LOG_4, LOG_5 = float32(5.000414731e-01), float32(-3.991366565e-01), float32(3.312480386e-01)
LOG_6, LOG_7, LOG_8 = float32(-2.990456600e-01), float32(2.873357650e-01), float32(-1.744448684e-01)
# sin(pi t / 2) / t and cos(pi t / 2) for |t| <= 1; absolute errors 5e-9 and 5e-8
SIN_1, SIN_3, SIN_5 = float32(1.570796318e00), float32(-6.459637106e-01), float32(7.968967895e-02)
SIN_7, SIN_9 = float32(-4.673766609e-03), float32(1.514851290e-04)
COS_0, COS_2, COS_4 = float32(9.999999535e-01), float32(-1.233698215e00), float32(2.536507446e-01)
COS_6, COS_8 = float32(-2.081062749e-02), float32(8.581906046e-04)


def minus_two_log(x, scale):
    """-2 log(x / 2^scale) of a positive normal float32 and an int32; absolute error 3e-8 of itself near x = 2^scale."""
    shifted = int32(bits_of(x) - SQRT_HALF_BITS)
    exponent = int32(shifted >> MANTISSA_BITS)
    m = float_of(int32(int32(shifted - int32(exponent << MANTISSA_BITS)) + SQRT_HALF_BITS)) - ONE
    p = (((LOG_8 * m + LOG_7) * m + LOG_6) * m + LOG_5) * m + LOG_4
    p = (((p * m + LOG_3) * m + LOG_2) * m + LOG_1) * m + LOG_0
    return p * m + float32(int32(scale - exponent)) * TWO_LN2


def normal_pair(word_a, word_b):
    """Two independent N(0, 1) as float32 from two random words, |z| < 6.67.

    The angle needs no reduction: 31 bits of ``word_b`` place it in the right half circle, the top bit reflects it.
    """
    radius = square_root(minus_two_log(float32(word_a | uint32(1)), WORD_BITS))
    t = float32(int32(word_b << uint32(1))) * TURN
    q = t * t
    sine = ((((SIN_9 * q + SIN_7) * q + SIN_5) * q + SIN_3) * q + SIN_1) * t
    cosine = (((COS_8 * q + COS_6) * q + COS_4) * q + COS_2) * q + COS_0
    cosine = float_of(int32(bits_of(cosine) ^ int32(word_b & SIGN)))
    return radius * cosine, radius * sine
