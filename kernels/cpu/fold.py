"""Networks folded in groups: counts, means and spreads of each layer of one quantity, and histograms of its numbers.

A group's numbers of one layer are taken the logarithm of and summed while they are in the first cache. Sums are
reassociated: their order is fixed by the vector width, as in the other kernels. Nothing crosses a group but counts,
which are whole numbers, so that neither threads nor blocks change a bit.
"""

import math

import numpy as np

from ..folded import (
    COUNT,
    KEY_SHIFT,
    LEAST,
    LOG_COUNT,
    LOG_MEAN,
    LOG_SPREAD,
    MEAN,
    MOST,
    NOTHING,
    SIZE_BITS,
    SPREAD,
    ZEROS,
)
from ._compile import bits_of_double, double_of_bits, inner, kernel

# Logarithms: of 2 in two parts, and the minimax polynomial of FreeBSD's e_log.c (Sun Microsystems 1993), within 1 ulp.
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
LG_1, LG_2, LG_3, LG_4 = (
    6.666666666666735130e-01,
    3.999999999940941908e-01,
    2.857142874366239149e-01,
    2.222219843214978396e-01,
)
LG_5, LG_6, LG_7 = 1.818357216161805012e-01, 1.531383769920937332e-01, 1.479819860511658591e-01
ONE, HALF_ROOT = (
    0x3FF0000000000000,
    0x3FE6A09E00000000,
)  # bits of 1 and of about sqrt(1/2): fractions are taken between it and twice it
FRACTION_BITS = 52
FRACTION = (1 << FRACTION_BITS) - 1
TWO_52_BITS, TWO_52 = 0x4330000000000000, 4503599627370496.0  # a whole number in its last bits is added to it
INFINITE = 2047 << FRACTION_BITS


@inner
def _range_of(values):
    """The least bits of a size that is not 0, and the largest, of those that are numbers."""
    least, most = np.int64(SIZE_BITS), np.int64(0)
    for i in range(np.uint64(len(values))):
        size = bits_of_double(values[i]) & SIZE_BITS
        least = min(least, size if size != 0 else np.int64(SIZE_BITS))
        most = max(most, size if size <= INFINITE else np.int64(0))
    return least, most


@inner(sums=True)
def _sums(values):
    """How many are numbers, their sum, and how many are 0."""
    count, total, zeros = np.int64(0), 0.0, np.int64(0)
    for i in range(np.uint64(len(values))):
        v = values[i]
        count += np.int64(1) if v == v else np.int64(0)
        zeros += np.int64(1) if v == 0.0 else np.int64(0)
        total += v if v == v else 0.0
    return count, total, zeros


@inner(sums=True)
def _squares(values, mean):
    total = 0.0
    for i in range(np.uint64(len(values))):
        deviation = values[i] - mean
        total += deviation * deviation if values[i] == values[i] else 0.0
    return total


@inner
def _make_logarithms(values, logs):
    """Natural logarithms of values that are positive, NaN for the others."""
    for i in range(np.uint64(len(values))):
        moved = bits_of_double(values[i]) + (ONE - HALF_ROOT)
        octave = double_of_bits(((moved & SIZE_BITS) >> FRACTION_BITS) + TWO_52_BITS) - (TWO_52 + 1023.0)
        f = double_of_bits((moved & FRACTION) + HALF_ROOT) - 1.0
        s = f / (2.0 + f)
        z = s * s
        w = z * z
        rest = z * (LG_1 + w * (LG_3 + w * (LG_5 + w * LG_7))) + w * (LG_2 + w * (LG_4 + w * LG_6))
        half = 0.5 * f * f
        log = octave * LN2_HIGH - ((half - (s * (half + rest) + octave * LN2_LOW)) - f)
        logs[i] = log if values[i] > 0.0 else math.nan


@kernel()
def fold_groups(values, logs, results, keys, odd):
    """Fold the groups of ``values`` (layer, group, network): ``results`` (RESULTS, group, layer).

    ``keys`` int64 (2, group, layer): the least and the largest of the numbers that are not 0, NOTHING without one.
    ``odd`` bool (group, layer): where a number lies beyond 2^+-400; others have to fold that one. ``logs`` (network,)
    is room.
    """
    for layer in range(values.shape[0]):
        for group in range(values.shape[1]):
            these = values[layer, group]
            least, most = _range_of(these)
            odd[group, layer] = most >= MOST or (most > 0 and least < LEAST)
            keys[0, group, layer] = least >> KEY_SHIFT if most > 0 else NOTHING
            keys[1, group, layer] = most >> KEY_SHIFT if most > 0 else NOTHING
            count, total, zeros = _sums(these)
            mean = total / count
            results[COUNT, group, layer], results[MEAN, group, layer] = count, mean
            results[SPREAD, group, layer], results[ZEROS, group, layer] = math.sqrt(_squares(these, mean)), zeros
            _make_logarithms(these, logs)
            count, total, _ = _sums(logs)
            mean = total / count
            results[LOG_COUNT, group, layer], results[LOG_MEAN, group, layer] = count, mean
            results[LOG_SPREAD, group, layer] = math.sqrt(_squares(logs, mean))


@kernel()
def count_waiting(values, keys, counts, low, waiting):
    """Count the numbers of groups that wait, where ``counts`` int32 (layer, 2, key) has a place for all of one.

    Of positive and of negative numbers; a layer's first key is ``low`` (layer,), -1 where it has none. What is counted
    waits no longer; returns how many of ``waiting`` bool (group, layer) still do.
    """
    left = 0
    for layer in range(values.shape[0]):
        first = low[layer]
        for group in range(values.shape[1]):
            if not waiting[group, layer]:
                continue
            if first < 0 or keys[0, group, layer] < first or keys[1, group, layer] >= first + counts.shape[2]:
                left += 1
                continue
            for i in range(np.uint64(values.shape[2])):
                bits = bits_of_double(values[layer, group, i])
                size = bits & SIZE_BITS
                if LEAST <= size < MOST:
                    counts[layer, 1 if bits < 0 else 0, (size >> KEY_SHIFT) - first] += 1
            waiting[group, layer] = False
    return left
