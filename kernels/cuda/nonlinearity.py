"""phi and phi' of a layer at any size, on the device; the twin of ``kernels/cpu/nonlinearity.py``, which explains it.

Every function begins with its arrays complete; the sums it returns end with a barrier.
"""

from typing import NamedTuple

from ..body.elementary import LN2_HIGH, LN2_LOW, LOG2_E, ONE, TWO, ZERO
from ..body.scalars import float32, float64, int32
from ..body.slopes import EXCESS_EXPONENT, LAST_LOG2
from ._compile import cuda
from .bodies import absolute, exp, first_four, power_of_two
from .placeholders import BACKWARD, FLATS, PERIOD, THREADS, log_slope, phi_and_slope, sum_four
from .sums import clipped, factors, largest_of, largest_size

LARGEST = float32(3.4028234663852886e38)
_SMALLEST = float32(2.0**-126)
# As on the processor: beyond 2^+-33 an activation with an asymptote is carried scaled.
FAR_EXPONENT = 33
_FAR = float32(2.0**33)
PERIODIC_EXPONENT = 12
LEAST_SLOPE = float32(2.0**-60)
# What stands for phi: itself at true values; its asymptote near zero or far out (rows of ``asymptotes``), where it is
# homogeneous; or either unit by unit.
TRUE, NEAR, HOMOGENEOUS, FAR_OUT = -1, 0, 1, 2


class Scale(NamedTuple):
    """How a layer is shown to phi: ``side``, what stands for phi, and exponents.

    True values are h 2^shift at true values of phi, else h 2^(shift + size); x is to lack 2^x_exponent.
    """

    side: int
    shift: int
    size: int
    x_exponent: int


def side_of(size, is_zero, nonlinearity):
    """What stands for phi of a layer whose root mean square is about 2^size."""
    reach = PERIODIC_EXPONENT if PERIOD > 0.0 else FAR_EXPONENT
    if is_zero or (size > -FAR_EXPONENT and size < reach):
        return TRUE
    row = 0 if size <= -FAR_EXPONENT else 1
    if nonlinearity.asymptotes[row, 2] == ZERO:
        return TRUE
    if row == 0:
        return NEAR
    return HOMOGENEOUS if nonlinearity.is_homogeneous else FAR_OUT


def _end(end, low, high):
    """An end of an interval times 2^..., never zero but for zero itself, so that it keeps its side."""
    scaled = end * low * high
    if scaled == ZERO and end != ZERO:
        return _SMALLEST if end > ZERO else -_SMALLEST
    return scaled


def _is_flat(v, low, high, nonlinearity):
    """Whether phi' is zero at v, which is compared with ends times low and high."""
    found = False
    for j in range(FLATS):
        if v >= _end(nonlinearity.flat[j, 0], low, high) and v <= _end(nonlinearity.flat[j, 1], low, high):
            found = True
    return found


def _true_value(h, low, high, is_periodic):
    """h 2^..., within float32 and, far out, modulo the period."""
    if PERIOD > 0.0 and is_periodic:
        return float32(float64(h) * float64(low) * float64(high) % PERIOD)
    v = h * low * high
    v = LARGEST if v > LARGEST else v  # this way round NaN passes
    return -LARGEST if v < -LARGEST else v


def has_far_units(h, length, shift, size, nonlinearity, room):
    """Whether phi of some unit is as large as the unit itself and that beyond 2^33; values are h 2^(shift + size)."""
    low, high = factors(shift)
    size_low, size_high = factors(size)
    found = ZERO
    for e in range(cuda.threadIdx.x, length, THREADS):
        v = h[e] * low * high
        c = nonlinearity.asymptotes[1, 1] if v > ZERO else nonlinearity.asymptotes[1, 0]
        found = ONE if c != ZERO and absolute(v * size_low * size_high) >= _FAR else found
    return largest_of(found, room) > ZERO


def activate(h, x, slope, length, scale, nonlinearity, room):
    """x = phi(h) and phi'(h) in a ``Scale``, and the sums of x, x^2, x^4, |x|, active and saturated units."""
    side, shift, size, x_exponent = scale
    low, high = factors(shift)
    size_low, size_high = factors(size)
    end_low, end_high = factors(0 if side == TRUE else -size)
    down_low, down_high = factors(-x_exponent)
    negative, positive, is_linear = ZERO, ZERO, True
    if side != TRUE:
        row = 0 if side == NEAR else 1
        negative, positive = nonlinearity.asymptotes[row, 0], nonlinearity.asymptotes[row, 1]
        is_linear = nonlinearity.asymptotes[row, 2] == ONE
    is_bounded = nonlinearity.saturation > ZERO
    one, two, active, saturated = ZERO, ZERO, ZERO, ZERO
    four, total = ZERO, ZERO
    for e in range(cuda.threadIdx.x, length, THREADS):
        v = _true_value(h[e], low, high, side == TRUE and size >= PERIODIC_EXPONENT)
        y, d, is_far = ZERO, ZERO, True
        if side != NEAR and side != HOMOGENEOUS:
            true = v
            if side == FAR_OUT:
                true = v * size_low * size_high
                is_far = absolute(true) >= _FAR
                true = _FAR if true > _FAR else true
                true = -_FAR if true < -_FAR else true
            y, d = phi_and_slope(true, nonlinearity.parameter)
            y = y * down_low * down_high
        if side != TRUE and is_far:
            size_of_v = absolute(v)
            c = positive if v > ZERO else negative
            signed = positive if v > ZERO else -negative
            if side != FAR_OUT or c != ZERO:
                y = c * size_of_v if is_linear else c * size_of_v * size_of_v
            d = signed if is_linear else TWO * (signed * size_of_v)
        x[e] = y
        if BACKWARD:
            slope[e] = d
        is_flat = _is_flat(v, end_low, end_high, nonlinearity)
        is_small = absolute(d) < nonlinearity.saturation if is_bounded else is_flat
        first, square, fourth = first_four(y)
        one += first
        two += square
        four += fourth
        total += absolute(y)
        active += ZERO if is_flat else ONE
        saturated += ONE if is_small else ZERO
    one, two, active, saturated = sum_four(one, two, active, saturated, room)
    four, total, _, _ = sum_four(four, total, ZERO, ZERO, room)
    return one, two, four, total, active, saturated


def carry_small_slopes(h, slope, length, shift, size, parameter, room):
    """Where every slope of a layer is so small that float32 loses it: scaled by its largest, from logarithms.

    True values are h 2^(shift + size). Returns the exponent that the slopes carry then, 0 where they are fine.
    """
    if largest_size(slope, length, room) >= LEAST_SLOPE:
        return int32(0)
    low, high = factors(shift)
    shown = clipped(size, EXCESS_EXPONENT)
    scale = power_of_two(shown)
    excess = float32(size - shown) if size > shown else ZERO
    largest = -LAST_LOG2
    for e in range(cuda.threadIdx.x, length, THREADS):
        sign, log = log_slope(h[e] * low * high * scale, excess, parameter)
        log2 = log * LOG2_E
        largest = log2 if sign != ZERO and log2 > largest else largest
    largest = largest_of(largest, room)
    exponent = int32(largest) if largest > -LAST_LOG2 else int32(0)
    subtracted = float32(exponent)
    for e in range(cuda.threadIdx.x, length, THREADS):
        sign, log = log_slope(h[e] * low * high * scale, excess, parameter)
        slope[e] = sign * exp(log - subtracted * LN2_HIGH - subtracted * LN2_LOW)
    return exponent
