"""What is recorded of a layer once its preactivations are there: sums, counts, and the range they are held in.

Arrays of a layer are flat float32 of K inputs x n units, inputs major. They carry a power of two: the true value is
``array * 2**exponent``, so that a network may vanish or explode far outside float32. Sums are float64.
"""

import math

import numpy as np

from .. import recorded
from ..recorded import BINS, H_FOUR, H_ONE, H_TWO, REACH, SUMS, X_FOUR, X_ONE, X_SIZE, X_TWO
from ._compile import inner
from .bodies import first_four, first_two, size_and_fourth

# A row holds the sums of a layer in the order of ``recorded.py``, and behind them the powers of two that they carry.
H_EXPONENT, X_EXPONENT = SUMS + recorded.H_EXPONENT, SUMS + recorded.X_EXPONENT
D_EXPONENT, IN_EXPONENT = SUMS + recorded.D_EXPONENT, SUMS + recorded.IN_EXPONENT
RECORDED = SUMS + recorded.EXPONENTS

# Exponents end here (a squared ReLU doubles them in every layer), so that no sum of them leaves an int32.
LAST_EXPONENT = 1 << 28
BINS_PER_UNIT = np.float32((BINS - 2) / (2 * REACH))


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
        v, square, fourth = first_four(np.float64(values[i]))
        one += v
        two += square
        four += fourth
    return one, two, four


@inner(sums=True)
def _mean_sums(values, length):
    one, two = 0.0, 0.0
    for i in range(np.uint64(length)):
        v, square = first_two(np.float64(values[i]))
        one += v
        two += square
    return one, two


@inner(sums=True)
def _size_sums(values, length):
    """Of |v| and v^4: a pass of its own, so that the sums of x and x^2 are added in the order that they always were."""
    size, four = 0.0, 0.0
    for i in range(np.uint64(length)):
        of_one, fourth = size_and_fourth(np.float64(values[i]))
        size += of_one
        four += fourth
    return size, four


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
def preactivation_statistics(row, layer, h, length):
    """Sums of h into ``row[:, layer]`` (unscaled); returns the mean square."""
    one, two, four = _sums(h, length)
    row[H_ONE, layer], row[H_TWO, layer], row[H_FOUR, layer] = one, two, four
    return two / length


@inner
def activation_statistics(row, layer, x, length, h_exponent, x_exponent):
    """Sums of x into ``row[:, layer]`` (unscaled), and the exponents of h and x.

    Returns the sum of squares of x, unscaled.
    """
    one, two = _mean_sums(x, length)
    row[X_ONE, layer], row[X_TWO, layer] = one, two
    row[X_SIZE, layer], row[X_FOUR, layer] = _size_sums(x, length)
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
def squared_directions(h, squares, n, group, direction):
    """Sum over groups of ``group`` consecutive inputs of |sum of h_k / |h_k||^2; NaN where an input is zero.

    |sum of g unit vectors|^2 = g + 2 (sum of the cosines of their pairs), so all pairs cost one pass over h.
    ``squares`` are the sums of squares of each input, ``direction`` is float64 scratch of n.
    """
    total = 0.0
    groups = len(squares) // group
    for first in range(0, groups * group, group):
        for i in range(n):
            direction[i] = 0.0
        for k in range(first, first + group):
            if not squares[k] > 0.0:
                return np.nan
            _add_scaled(direction, h, k * n, n, 1.0 / math.sqrt(squares[k]))
        total += _sum_squares_of_doubles(direction, n)
    return total


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
