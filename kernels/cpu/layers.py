"""What is done to a layer once its preactivations are there: range, activation, statistics, counts.

Arrays of a layer are flat float32 of K inputs x n units, inputs major. They carry a power of two: the true value is
``array * 2**exponent``, so that a network may vanish or explode far outside float32. Sums are float64.
"""

import math
from typing import NamedTuple

import numpy as np

from .._jit import call, inner

# Rows of the statistics, in the order of mcflow.blocks.QUANTITIES.
PREACTIVATION_MEAN = 0
PREACTIVATION_SECOND_MOMENT = 1
PREACTIVATION_FOURTH_MOMENT = 2
ACTIVATION_MEAN = 3
ACTIVATION_SECOND_MOMENT = 4
ACTIVE_FRACTION = 5
SATURATED_FRACTION = 6
PREACTIVATION_CORRELATION = 7
GRADIENT_SECOND_MOMENT = 8
WEIGHT_GRADIENT_SECOND_MOMENT = 9
QUANTITIES = 10
# Rows behind them: the powers of two that the sums of h, x and d of a layer carry.
H_EXPONENT, X_EXPONENT, D_EXPONENT = range(QUANTITIES, QUANTITIES + 3)
RECORDED = QUANTITIES + 3

# Beyond 2^+-33 an activation with an asymptote is that asymptote to float32 accuracy, and is carried scaled.
FAR_EXPONENT = 33
# Exponents end here (a squared ReLU doubles them in every layer), so that no sum of them leaves an int32.
LAST_EXPONENT = 1 << 28
BINS = 66
REACH = 6.0
BINS_PER_UNIT = np.float32((BINS - 2) / (2 * REACH))


class Nonlinearity(NamedTuple):
    """The activation: address of its loop, its parameter, |phi'| under which a unit counts as saturated, asymptotes.

    ``asymptotes`` is float32 (2, 3): near zero and far out, each (negative, positive, degree), degree 0 for none.
    """

    address: int
    parameter: np.float32
    saturation: np.float32
    asymptotes: np.ndarray


@inner(sums=True)
def sum_of_squares(values, start, length):
    """Sum of squares of ``values[start : start + length]`` in float64; two halves, so that no addition waits."""
    half = np.uint64(length // 2)
    low = np.uint64(start)
    high = low + half
    one, two = 0.0, 0.0
    for i in range(half):
        v, w = np.float64(values[low + i]), np.float64(values[high + i])
        one += v * v
        two += w * w
    if length % 2:
        v = np.float64(values[start + length - 1])
        one += v * v
    return one + two


@inner(sums=True)
def _sums(values, length):
    one, two, four = 0.0, 0.0, 0.0
    for i in range(np.uint64(length)):
        v = np.float64(values[i])
        square = v * v
        one += v
        two += square
        four += square * square
    return one, two, four


@inner(sums=True)
def _mean_sums(values, length):
    one, two = 0.0, 0.0
    for i in range(np.uint64(length)):
        v = np.float64(values[i])
        one += v
        two += v * v
    return one, two


@inner
def _counts_of_slopes(d, length, saturation):
    """How many are not zero, and how many are small; 32-bit counts have the lanes of the float32 that they look at.

    A pass of its own: beside the float64 sums it takes twice the time of both.
    """
    active, saturated = np.int32(0), np.int32(0)
    for i in range(np.uint64(length)):
        slope = d[i]
        active = np.int32(active + np.int32(slope != np.float32(0.0)))
        saturated = np.int32(saturated + np.int32(abs(slope) < saturation))
    return active, saturated


@inner
def rescale(values, length, exponent):
    """Multiply by 2**exponent in place; zero and infinity where that leaves float32."""
    half = exponent // 2  # two factors: one alone may leave float32 where the product does not
    low = np.float32(math.ldexp(1.0, max(-149, min(127, half))))
    high = np.float32(math.ldexp(1.0, max(-149, min(127, exponent - half))))
    for i in range(np.uint64(length)):
        values[i] = values[i] * low * high


@inner
def exponent_of(mean_square):
    """The power of two nearest below the root of a mean square; 0 where it is zero or not finite."""
    if not (0.0 < mean_square < math.inf):
        return 0
    return (math.frexp(mean_square)[1] - 1) // 2


@inner
def _apply_asymptote(h, x, d, length, exponent, negative, positive, degree):
    """x and d of phi(h) = c |h|^degree; x carries 2^(exponent degree) then, and d 2^(exponent (degree - 1))."""
    if degree == np.float32(1.0):
        for i in range(np.uint64(length)):
            above = h[i] > np.float32(0.0)
            x[i] = positive * h[i] if above else -negative * h[i]
            d[i] = positive if above else -negative
    else:
        for i in range(np.uint64(length)):
            above = h[i] > np.float32(0.0)
            c = positive if above else negative
            size = abs(h[i])
            x[i] = c * size * size
            d[i] = np.float32(2.0) * (c * size if above else -c * size)


@inner
def activate(h, x, d, length, exponent, mean_square, nonlinearity):
    """x = phi(h) and d = phi'(h) of flat arrays; returns the exponents of h, x and d.

    h (whose true value is h * 2**exponent, with ``mean_square`` the mean of the stored squares) is rescaled in place
    where phi has to see true values, or where they have left the middle of float32 and phi is homogeneous there.
    """
    size = exponent + exponent_of(mean_square)
    if exponent == 0 and -FAR_EXPONENT < size < FAR_EXPONENT:
        call(nonlinearity.address, (h, x, d, length, nonlinearity.parameter))
        return 0, 0, 0
    side = 0 if size <= -FAR_EXPONENT else 1
    degree = nonlinearity.asymptotes[side, 2]
    if -FAR_EXPONENT < size < FAR_EXPONENT or degree == np.float32(0.0):
        if exponent != 0:
            rescale(h, length, exponent)
        call(nonlinearity.address, (h, x, d, length, nonlinearity.parameter))
        return 0, 0, 0
    if size != exponent:
        rescale(h, length, exponent - size)
    size = max(-LAST_EXPONENT, min(LAST_EXPONENT, size))
    negative, positive = nonlinearity.asymptotes[side, 0], nonlinearity.asymptotes[side, 1]
    _apply_asymptote(h, x, d, length, size, negative, positive, degree)
    whole = np.int64(degree)
    return size, size * whole, size * (whole - 1)


@inner
def preactivation_statistics(row, layer, h, length):
    """Sums of h into ``row[:, layer]`` (unscaled); returns the mean square."""
    one, two, four = _sums(h, length)
    row[PREACTIVATION_MEAN, layer] = one / length
    row[PREACTIVATION_SECOND_MOMENT, layer] = two / length
    row[PREACTIVATION_FOURTH_MOMENT, layer] = four / length
    return two / length


@inner
def activation_statistics(row, layer, x, d, length, saturation, h_exponent, x_exponent):
    """Sums of x and phi' into ``row[:, layer]`` (unscaled), and the exponents of h and x.

    Returns the sum of squares of x, unscaled.
    """
    one, two = _mean_sums(x, length)
    active, saturated = _counts_of_slopes(d, length, saturation)
    row[ACTIVATION_MEAN, layer] = one / length
    row[ACTIVATION_SECOND_MOMENT, layer] = two / length
    row[ACTIVE_FRACTION, layer] = active / length
    row[SATURATED_FRACTION, layer] = saturated / length
    row[H_EXPONENT, layer], row[X_EXPONENT, layer] = h_exponent, x_exponent
    return two


@inner(sums=True)
def _add_scaled(total, values, start, length, factor):
    for i in range(np.uint64(length)):
        total[i] += factor * np.float64(values[np.uint64(start) + i])


@inner(sums=True)
def _sum_squares_of_doubles(values, length):
    total = 0.0
    for i in range(np.uint64(length)):
        total += values[i] * values[i]
    return total


@inner
def mean_cosine(h, inputs, n, group, direction):
    """Mean cosine over all pairs within groups of ``group`` consecutive inputs; NaN where an input is zero.

    |sum of g unit vectors|^2 = g + 2 (sum of the cosines of their pairs), so all pairs cost one pass over h.
    ``direction`` is float64 scratch of n.
    """
    total = 0.0
    groups = inputs // group
    for first in range(0, groups * group, group):
        for i in range(n):
            direction[i] = 0.0
        for k in range(first, first + group):
            square = sum_of_squares(h, k * n, n)
            if not square > 0.0:
                return np.nan
            _add_scaled(direction, h, k * n, n, 1.0 / math.sqrt(square))
        total += _sum_squares_of_doubles(direction, n)
    return (total - groups * group) / (groups * group * (group - 1))


@inner
def count(counts, values, length, exponent, unit_exponent):
    """Add ``values * 2**exponent`` to the bins of a layer whose unit is 2**unit_exponent; NaN goes to the first bin."""
    scale = np.float32(math.ldexp(1.0, max(-120, min(120, exponent - unit_exponent)))) * BINS_PER_UNIT
    low, high = np.float32(0.5), np.float32(BINS - 0.5)
    middle = np.float32(BINS // 2)
    for i in range(np.uint64(length)):
        place = values[i] * scale + middle
        place = place if place > low else low
        place = place if place < high else high
        counts[np.int64(place)] += 1
