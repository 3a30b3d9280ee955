"""Elementary functions in float32 without branches, so that a loop over them vectorises (Numba has no SVML).

Each is a reduction of the argument and a polynomial; coefficients are least-squares fits on Chebyshev nodes,
reweighted towards the minimax of the relative error. The largest error against float64 is stated at each function in
units in the last place and tested.
"""

import math

from .scalars import float32, float_of, int32

ZERO = float32(0.0)
HALF = float32(0.5)
ONE = float32(1.0)
TWO = float32(2.0)
LOG2_E = float32(1.4426950408889634)
LN2_HIGH = float32(0.693359375)  # nine bits, so that n * LN2_HIGH is exact
LN2_LOW = float32(-2.12194440054690583e-4)
EXP_MAX = float32(88.8)  # exp overflows float32 beyond 88.723
EXP_MIN = float32(-104.0)  # and is zero below -103.98
MANTISSA_BITS = int32(23)
EXPONENT_BIAS = int32(127)
TWO_OVER_PI = float32(0.6366197723675814)
PI_HALF_1 = float32(1.5703125)  # pi / 2 in three parts whose products with |n| < 2^15 are exact or negligible
PI_HALF_2 = float32(4.837512969970703125e-4)
PI_HALF_3 = float32(7.549789948768648e-8)

EXP_2, EXP_3, EXP_4 = float32(4.999999953e-01), float32(1.666657369e-01), float32(4.166686098e-02)
EXP_5, EXP_6 = float32(8.363739844e-03), float32(1.390152973e-03)
TANH_1, TANH_3, TANH_5 = float32(9.999999949e-01), float32(-3.333324295e-01), float32(1.333072002e-01)
TANH_7, TANH_9, TANH_11 = float32(-5.368862376e-02), float32(2.048708385e-02), float32(-5.544861544e-03)
ERF_1, ERF_3, ERF_5 = float32(1.128379166e00), float32(-3.761262582e-01), float32(1.128358515e-01)
ERF_7, ERF_9 = float32(-2.685381187e-02), float32(5.188327556e-03)
ERF_11, ERF_13 = float32(-8.010192487e-04), float32(7.853857592e-05)
ERFCX_0, ERFCX_1, ERFCX_2 = float32(-5.306404219e-07), float32(2.820974791e-01), float32(2.822770818e-01)
ERFCX_3, ERFCX_4, ERFCX_5 = float32(2.435918885e-01), float32(2.011891737e-01), float32(-2.367853289e-02)
ERFCX_6, ERFCX_7 = float32(2.743405231e-01), float32(-4.842734494e-01)
ERFCX_8, ERFCX_9 = float32(2.832769454e-01), float32(-5.882062094e-02)
ATANH_1, ATANH_3, ATANH_5 = float32(2.0), float32(6.666667931e-01), float32(3.999869091e-01)
ATANH_7, ATANH_9, ATANH_11 = float32(2.862072188e-01), float32(2.139325297e-01), float32(2.441305974e-01)
SIN_3, SIN_5, SIN_7 = float32(-1.666666451e-01), float32(8.332721112e-03), float32(-1.958227565e-04)
COS_4, COS_6, COS_8 = float32(4.166666452e-02), float32(-1.388827714e-03), float32(2.454252305e-05)


def absolute(x):
    return x if x >= ZERO else -x


def nearest_integer(x):
    """x rounded to the nearest integer, as int32."""
    return int32(x + (HALF if x >= ZERO else -HALF))


def power_of_two(n):
    """2^n as float32 for -126 <= n <= 127."""
    return float_of(int32(int32(n + EXPONENT_BIAS) << MANTISSA_BITS))


def _reduced_exp(x):
    """n and expm1(x - n ln 2), for x clipped to where exp is neither zero nor infinite."""
    x = EXP_MAX if x > EXP_MAX else x
    x = EXP_MIN if x < EXP_MIN else x
    n = nearest_integer(x * LOG2_E)
    m = float32(n)
    r = (x - m * LN2_HIGH) - m * LN2_LOW
    p = (((EXP_6 * r + EXP_5) * r + EXP_4) * r + EXP_3) * r + EXP_2
    return n, r + r * r * p


def exp(x):
    """e^x; 2 ulp."""
    n, p = _reduced_exp(x)
    half = int32(n >> int32(1))  # two factors, so that results down to the subnormals and up to infinity come out right
    return (p + ONE) * power_of_two(half) * power_of_two(int32(n - half))


def exp_and_expm1(x):
    """e^x and e^x - 1 for x <= 88; 2 and 3 ulp."""
    n, p = _reduced_exp(x)
    half = int32(n >> int32(1))
    low, high = power_of_two(half), power_of_two(int32(n - half))
    return (p + ONE) * low * high, p * low * high + (low * high - ONE)


def log1p_unit(u):
    """log(1 + u) for 0 <= u <= 1; 3 ulp."""
    s = u / (TWO + u)
    q = s * s
    p = ((((ATANH_11 * q + ATANH_9) * q + ATANH_7) * q + ATANH_5) * q + ATANH_3) * q + ATANH_1
    return s * p


def tanh(x):
    """tanh(x); 3 ulp."""
    a = absolute(x)
    e = exp(-TWO * a)
    far = (ONE - e) / (ONE + e)
    q = x * x
    p = ((((TANH_11 * q + TANH_9) * q + TANH_7) * q + TANH_5) * q + TANH_3) * q + TANH_1
    return x * p if a < float32(0.625) else (far if x >= ZERO else -far)


def erfcx(a):
    """exp(a^2) erfc(a) for 0 <= a <= 14; 6 ulp."""
    t = ONE / (ONE + HALF * a)
    p = (((ERFCX_9 * t + ERFCX_8) * t + ERFCX_7) * t + ERFCX_6) * t + ERFCX_5
    return ((((p * t + ERFCX_4) * t + ERFCX_3) * t + ERFCX_2) * t + ERFCX_1) * t + ERFCX_0


def erf(x):
    """erf(x); 3 ulp."""
    a = absolute(x)
    bounded = float32(10.0) if a > float32(10.0) else a  # this way round NaN passes
    far = ONE - exp(-bounded * bounded) * erfcx(bounded)
    q = x * x
    p = (((ERF_13 * q + ERF_11) * q + ERF_9) * q + ERF_7) * q + ERF_5
    near = x * ((p * q + ERF_3) * q + ERF_1)
    return near if a < ONE else (far if x >= ZERO else -far)


def sincos(x):
    """sin(x) and cos(x) for |x| < 1e4; 2 ulp of the larger of the two, absolute error 1e-7."""
    n = nearest_integer(x * TWO_OVER_PI)
    m = float32(n)
    r = ((x - m * PI_HALF_1) - m * PI_HALF_2) - m * PI_HALF_3
    q = r * r
    s = r + r * q * ((SIN_7 * q + SIN_5) * q + SIN_3)
    c = ONE - HALF * q + q * q * ((COS_8 * q + COS_6) * q + COS_4)
    swap = (n & int32(1)) != int32(0)
    sine = c if swap else s
    cosine = s if swap else c
    sine = -sine if (n & int32(2)) != int32(0) else sine
    cosine = -cosine if (int32(n + int32(1)) & int32(2)) != int32(0) else cosine
    return sine, cosine


def square_root(x):
    return float32(math.sqrt(x))
