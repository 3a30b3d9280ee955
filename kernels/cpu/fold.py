"""Networks folded in groups: counts, means, spreads and histograms of each layer of one quantity, from sums or rows.

A group's numbers of one layer are made, taken the logarithm of and summed while they are in the first cache. Sums are
reassociated: their order is fixed by the vector width, as in the other kernels. Nothing crosses a group but counts,
which are whole numbers, so that neither threads nor blocks change a bit.
"""

import math
from typing import NamedTuple

import numpy as np

from ._compile import inner, kernel

# What ``fold_groups`` leaves of a group's layer: how many are numbers, their mean and the root of the sum of squared
# deviations, the same of the natural logarithms of those that are positive, and how many are 0.
COUNT, MEAN, SPREAD, LOG_COUNT, LOG_MEAN, LOG_SPREAD, ZEROS = range(7)
RESULTS = 7
# A key is the exponent and the first six bits of the fraction of a float64: a bin of 64 to an octave.
KEY_SHIFT = 46
SIZE_BITS = (1 << 63) - 1
# Numbers beyond 2^+-400 are left to others: squares of what lies within stay inside float64.
REACH = 400
LEAST, MOST = (1023 - REACH) << 52, (1023 + REACH) << 52
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
FRACTION = (1 << 52) - 1
TILE = 8  # layers whose networks are turned together
SMALLEST = 2.0**-1022  # below it a float64 loses digits
TWO_52_BITS, TWO_52 = 0x4330000000000000, 4503599627370496.0  # a whole number in its last bits is added to it


class Recipe(NamedTuple):
    """How a quantity is made of ``sums`` (column, network, layer) and ``exponents`` (4, network, layer).

    The product of the columns ``numerator`` over those of ``denominator``, less ``minus``, over ``divisor`` (layer,),
    times 2**(the sum of ``powers`` (4,) times the exponents).
    """

    numerator: np.ndarray
    denominator: np.ndarray
    minus: float
    divisor: np.ndarray
    powers: np.ndarray


class Table(NamedTuple):
    """Histograms by key: ``counts`` int32 (layer, 2, key) of positive and of negative numbers.

    A layer's first key is ``low`` (layer,), which is -1 where none was counted yet. ``wanted`` int64 (2, layer): the
    least and the largest key of what did not fit in, and ``waiting`` bool (group, layer) where that was.
    """

    counts: np.ndarray
    low: np.ndarray
    wanted: np.ndarray
    waiting: np.ndarray


class Scratch(NamedTuple):
    """Room for a group: float64 of TILE layers (TILE, network), of one layer (network,), and the bits of some."""

    tile: np.ndarray
    other: np.ndarray
    powers: np.ndarray
    logs: np.ndarray
    octaves: np.ndarray
    tile_bits: np.ndarray
    log_bits: np.ndarray
    octave_bits: np.ndarray


@inner(allocates=True)
def _scratch(length):
    tile, other, powers = np.empty((TILE, length)), np.empty((TILE, length)), np.empty((TILE, length))
    logs, octaves = np.empty(length), np.empty(length)
    bits = tile.view(np.int64), logs.view(np.int64), octaves.view(np.int64)
    return Scratch(tile, other, powers, logs, octaves, bits[0], bits[1], bits[2])


@inner
def _turn(tile, column, start, length, layer):
    """Networks of TILE layers of ``column`` (network, layer), or of those left, into ``tile``: by whole cache lines."""
    left = column.shape[1] - layer
    if left >= TILE:
        for i in range(np.uint64(length)):
            for c in range(np.uint64(TILE)):
                tile[c, i] = column[np.uint64(start) + i, np.uint64(layer) + c]
    else:
        for i in range(np.uint64(length)):
            for c in range(np.uint64(left)):
                tile[c, i] = column[np.uint64(start) + i, np.uint64(layer) + c]


@inner
def _make_values(scratch, recipe, sums, exponents, start, length, layer):
    """The tile of the layers from ``layer`` on: the numbers of the networks from ``start`` on."""
    tile, other = scratch.tile, scratch.other
    layers = min(TILE, sums.shape[2] - layer)
    _turn(tile, sums[recipe.numerator[0]], start, length, layer)
    for k in range(1, len(recipe.numerator)):
        _turn(other, sums[recipe.numerator[k]], start, length, layer)
        for c in range(layers):
            for i in range(np.uint64(length)):
                tile[c, i] *= other[c, i]
    for k in range(len(recipe.denominator)):
        _turn(other, sums[recipe.denominator[k]], start, length, layer)
        for c in range(layers):
            for i in range(np.uint64(length)):
                tile[c, i] /= other[c, i]
    for c in range(layers):
        minus, divisor = recipe.minus, recipe.divisor[layer + c]
        if math.frexp(divisor)[0] == 0.5:  # the same number, sooner
            factor = 1.0 / divisor
            for i in range(np.uint64(length)):
                tile[c, i] = (tile[c, i] - minus) * factor
        else:
            for i in range(np.uint64(length)):
                tile[c, i] = (tile[c, i] - minus) / divisor
    for c in range(layers):
        for i in range(np.uint64(length)):
            scratch.powers[c, i] = 0.0
    _add_powers(scratch, recipe.powers, exponents, start, length, layer)


@inner
def _add_powers(scratch, powers, exponents, start, length, layer):
    """Add the exponents of the tile's powers of two to ``scratch.powers``."""
    layers = min(TILE, exponents.shape[2] - layer)
    for k in range(len(powers)):
        if powers[k] != 0.0:
            _turn(scratch.other, exponents[k], start, length, layer)
            for c in range(layers):
                for i in range(np.uint64(length)):
                    scratch.powers[c, i] += powers[k] * scratch.other[c, i]


@inner
def _scale(scratch, c, length):
    """Multiply a layer of the tile by its powers of two; False where one of these is beyond 2^+-1000."""
    values, powers, factors, bits = scratch.tile[c], scratch.powers[c], scratch.octaves, scratch.octave_bits
    some, far = np.int64(0), np.int64(0)
    for i in range(np.uint64(length)):
        some |= np.int64(1) if powers[i] != 0.0 else np.int64(0)
        far |= np.int64(1) if abs(powers[i]) > 1000.0 else np.int64(0)
    if far:
        return False
    if some:
        for i in range(np.uint64(length)):
            bits[i] = (np.int64(powers[i]) + 1023) << 52
        for i in range(np.uint64(length)):
            values[i] *= factors[i]
    return True


@inner
def _range_of(bits, length):
    """The least bits of a size that is not 0, and the largest, of those that are numbers."""
    least, most = np.int64(SIZE_BITS), np.int64(0)
    infinite = np.int64(2047 << 52)
    for i in range(np.uint64(length)):
        size = bits[i] & SIZE_BITS
        low = size if size != 0 else np.int64(SIZE_BITS)
        high = size if size <= infinite else np.int64(0)
        least = min(least, low)
        most = max(most, high)
    return least, most


@inner(sums=True)
def _sums(values, length):
    """How many are numbers, their sum, and how many are 0."""
    count, total, zeros = np.int64(0), 0.0, np.int64(0)
    for i in range(np.uint64(length)):
        v = values[i]
        count += np.int64(1) if v == v else np.int64(0)
        zeros += np.int64(1) if v == 0.0 else np.int64(0)
        total += v if v == v else 0.0
    return count, total, zeros


@inner(sums=True)
def _squares(values, length, mean):
    total = 0.0
    for i in range(np.uint64(length)):
        deviation = values[i] - mean
        total += deviation * deviation if values[i] == values[i] else 0.0
    return total


@inner
def _make_logarithms(bits, scratch, length):
    """Natural logarithms into ``scratch.logs`` of values that are positive; the others' are not to be looked at."""
    logs, fractions, octaves = scratch.logs, scratch.log_bits, scratch.octave_bits
    for i in range(np.uint64(length)):
        moved = np.uint64(bits[i]) + np.uint64(ONE - HALF_ROOT)
        octaves[i] = np.int64((moved >> np.uint64(52)) + np.uint64(TWO_52_BITS))
        fractions[i] = np.int64((moved & np.uint64(FRACTION)) + np.uint64(HALF_ROOT))
    for i in range(np.uint64(length)):
        octave = scratch.octaves[i] - (TWO_52 + 1023.0)
        f = logs[i] - 1.0
        s = f / (2.0 + f)
        z = s * s
        w = z * z
        rest = z * (LG_1 + w * (LG_3 + w * (LG_5 + w * LG_7))) + w * (LG_2 + w * (LG_4 + w * LG_6))
        half = 0.5 * f * f
        logs[i] = octave * LN2_HIGH - ((half - (s * (half + rest) + octave * LN2_LOW)) - f)


@inner(sums=True)
def _log_sums(values, logs, length):
    count, total = np.int64(0), 0.0
    for i in range(np.uint64(length)):
        count += np.int64(1) if values[i] > 0.0 else np.int64(0)
        total += logs[i] if values[i] > 0.0 else 0.0
    return count, total


@inner(sums=True)
def _log_squares(values, logs, length, mean):
    total = 0.0
    for i in range(np.uint64(length)):
        deviation = logs[i] - mean
        total += deviation * deviation if values[i] > 0.0 else 0.0
    return total


@inner
def _count(bits, length, counts, low):
    """Add numbers to one layer's histogram (2, key), in which all of them have a place."""
    for i in range(np.uint64(length)):
        b = bits[i]
        size = b & SIZE_BITS
        if LEAST <= size < MOST:
            counts[1 if b < 0 else 0, (size >> KEY_SHIFT) - low] += 1


@inner
def _has_place(table, group, layer, least, most):
    """Whether keys ``least`` to ``most`` lie in a layer's histogram; where not, that it is wanted is written down."""
    reach = table.counts.shape[2]
    if table.low[layer] < 0 and most - least < reach:
        table.low[layer] = max(0, least - (reach - 1 - (most - least)) // 2)
    low = table.low[layer]
    if low >= 0 and low <= least and most < low + reach:
        return True
    table.wanted[0, layer] = min(table.wanted[0, layer], least)
    table.wanted[1, layer] = max(table.wanted[1, layer], most)
    table.waiting[group, layer] = True
    return False


@kernel()
def fold_groups(recipe, sums, exponents, size, table, results, odd):
    """Fold a quantity of all networks in groups of ``size``, the last one shorter: ``results`` (RESULTS, group, layer).

    ``odd`` bool (group, layer) becomes True where some number lies beyond 2^+-400: others have to fold that one, as
    where it is True already, and nothing of it is counted in ``table``. Where that has no keys nothing is counted.
    """
    _, networks, layers = sums.shape
    scratch = _scratch(size)
    counted = table.counts.shape[2] > 0
    for group in range(odd.shape[0]):
        start = group * size
        length = min(size, networks - start)
        for first in range(0, layers, TILE):
            _make_values(scratch, recipe, sums, exponents, start, length, first)
            for c in range(min(TILE, layers - first)):
                layer, bits = first + c, scratch.tile_bits[c]
                near = _scale(scratch, c, length)
                least, most = _range_of(bits, length)
                if odd[group, layer] or not near or most >= MOST or (most > 0 and least < LEAST):
                    odd[group, layer] = True
                    continue
                _fold(scratch, c, length, results[:, group, layer])
                if counted and most > 0 and _has_place(table, group, layer, least >> KEY_SHIFT, most >> KEY_SHIFT):
                    _count(bits, length, table.counts[layer], table.low[layer])


@inner
def _fold(scratch, c, length, result):
    values = scratch.tile[c]
    count, total, zeros = _sums(values, length)
    mean = total / count
    result[COUNT], result[MEAN], result[ZEROS] = count, mean, zeros
    result[SPREAD] = math.sqrt(_squares(values, length, mean))
    _make_logarithms(scratch.tile_bits[c], scratch, length)
    count, total = _log_sums(values, scratch.logs, length)
    mean = total / count
    result[LOG_COUNT], result[LOG_MEAN] = count, mean
    result[LOG_SPREAD] = math.sqrt(_log_squares(values, scratch.logs, length, mean))


@kernel()
def count_waiting(recipe, sums, exponents, size, table):
    """Count what found no place in ``table``, whose histograms reach further now."""
    _, networks, layers = sums.shape
    scratch = _scratch(size)
    for group in range(table.waiting.shape[0]):
        start = group * size
        length = min(size, networks - start)
        for first in range(0, layers, TILE):
            if not table.waiting[group, first : first + TILE].any():
                continue
            _make_values(scratch, recipe, sums, exponents, start, length, first)
            for c in range(min(TILE, layers - first)):
                layer = first + c
                if table.waiting[group, layer]:
                    _scale(scratch, c, length)
                    _count(scratch.tile_bits[c], length, table.counts[layer], table.low[layer])


@kernel(plain=True)
def make_rows(recipe, sums, exponents, rows):
    """A quantity of all networks into ``rows`` (network, layer); False where a power of two takes one too far."""
    _, networks, layers = sums.shape
    numerator, denominator, divisor = recipe.numerator, recipe.denominator, recipe.divisor
    within = True
    for i in range(networks):
        row = rows[i]
        for c in range(layers):
            row[c] = sums[numerator[0], i, c]
        for k in range(1, len(numerator)):
            for c in range(layers):
                row[c] *= sums[numerator[k], i, c]
        for k in range(len(denominator)):
            for c in range(layers):
                row[c] /= sums[denominator[k], i, c]
        for c in range(layers):
            row[c] = (row[c] - recipe.minus) / divisor[c]
        within = _move(row, recipe.powers, exponents, i) and within
    return within


@inner
def _move(row, powers, exponents, i):
    """Multiply a row by its powers of two; False where a number leaves the normal range of float64 by it."""
    far = 0.0
    for k in range(len(powers)):
        if powers[k] != 0.0:
            for c in range(len(row)):
                far += abs(exponents[k, i, c])
    if far == 0.0:
        return True
    within = True
    for c in range(len(row)):
        total = 0.0
        for k in range(len(powers)):
            if powers[k] != 0.0:
                total += powers[k] * exponents[k, i, c]
        if total == 0.0 or row[c] == 0.0 or not abs(row[c]) < math.inf:
            continue
        if abs(total) > 1000.0:
            within = False
            continue
        row[c] *= math.ldexp(1.0, np.int64(total))
        within = within and SMALLEST <= abs(row[c]) < math.inf
    return within
