"""Networks folded in groups: counts, means, spreads and histograms of every quantity and layer, from their sums.

A thread has a column, one quantity of one layer, of one group, and goes through the group's networks in their order, in
float64: neither launches nor blocks of threads change a bit. Nothing crosses a group but counts, which are whole
numbers.
"""

import math
from typing import NamedTuple

import numpy as np

from ..body.scalars import float64, int32, int64
from ..folded import (
    COUNT,
    FARTHEST_POWER,
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
from ._compile import SIMULATED, cuda

BIAS, FRACTION_BITS = 1023, 52  # of the exponent of a float64


class Recipe(NamedTuple):
    """How quantities are made of ``sums`` (network, layer, SUMS) and ``exponents`` (network, layer, EXPONENTS).

    The product of the columns ``numerator`` over those of ``denominator``, int32 (quantity, term) and -1 where there
    are no more, less ``minus`` (quantity,), over ``divisor`` (layer, quantity), times 2**(the sum of ``powers`` int32
    (quantity, EXPONENTS) times the exponents).
    """

    numerator: object
    denominator: object
    minus: object
    divisor: object
    powers: object


class Groups(NamedTuple):
    """``networks`` of a launch in groups of ``size``, the last one shorter, and what is left of a group's column.

    ``results`` float64 (group, RESULTS, quantity, layer); int32 ``keys`` (group, 2, quantity, layer), the least and the
    largest of its numbers that are not 0; bool ``odd`` (group, quantity, layer) where one of them lies beyond 2^+-400:
    others have to fold that one.
    """

    networks: int
    size: int
    results: object
    keys: object
    odd: object


class Table(NamedTuple):
    """Histograms by key, one after the other in ``counts`` int32 (entry,): of positive and then of negative numbers.

    (quantity, layer): that of a column begins with entry ``start`` and key ``low``, and has ``length`` keys, 0 where
    nothing is counted.
    """

    counts: object
    start: object
    low: object
    length: object


def _bits_of_double(x):
    return np.float64(x).view(np.int64)


def _double_of_bits(i):
    return np.int64(i).view(np.float64)


bits_of_double = _bits_of_double if SIMULATED else cuda.libdevice.double_as_longlong
double_of_bits = _double_of_bits if SIMULATED else cuda.libdevice.longlong_as_double


def _place(recipe):
    """Group, layer and quantity of this thread."""
    layers, quantities = recipe.divisor.shape
    at = cuda.grid(1)
    column = at // quantities
    return column // layers, column % layers, at % quantities


def _make_value(recipe, sums, exponents, network, layer, quantity):
    """A network's number, and whether its power of two is within 2^+-1000; the number lacks that where it is not."""
    value = float64(sums[network, layer, recipe.numerator[quantity, 0]])
    for k in range(1, recipe.numerator.shape[1]):
        if recipe.numerator[quantity, k] >= 0:
            value *= float64(sums[network, layer, recipe.numerator[quantity, k]])
    for k in range(recipe.denominator.shape[1]):
        if recipe.denominator[quantity, k] >= 0:
            value /= float64(sums[network, layer, recipe.denominator[quantity, k]])
    value = (value - recipe.minus[quantity]) / recipe.divisor[layer, quantity]
    power = int64(0)
    for k in range(recipe.powers.shape[1]):
        if recipe.powers[quantity, k] != 0:
            power += int64(recipe.powers[quantity, k]) * int64(exponents[network, layer, k])
    if power == 0:
        return value, True
    if power > FARTHEST_POWER or power < -FARTHEST_POWER:
        return value, False
    return value * double_of_bits((power + BIAS) << FRACTION_BITS), True


def _spreads(recipe, sums, exponents, networks, column, mean, log_mean):
    """The roots of the sums of squared deviations of numbers, and of the logarithms of those that are positive."""
    total, log_total = 0.0, 0.0
    for network in range(networks[0], networks[1]):
        value, _ = _make_value(recipe, sums, exponents, network, column[0], column[1])
        if value == value:
            deviation = value - mean
            total += deviation * deviation
        if value > 0.0:
            deviation = math.log(value) - log_mean
            log_total += deviation * deviation
    return math.sqrt(total), math.sqrt(log_total)


def fold_groups(recipe, groups, sums, exponents):
    """Fold all quantities of all networks of a launch: what ``groups`` has room for. A thread for each column."""
    group, layer, quantity = _place(recipe)
    start = group * groups.size
    if start >= groups.networks:
        return
    end = min(start + groups.size, groups.networks)
    count, zeros, positive = 0, 0, 0
    total, log_total = 0.0, 0.0
    least, most = int64(SIZE_BITS), int64(0)
    near = True
    for network in range(start, end):
        value, is_near = _make_value(recipe, sums, exponents, network, layer, quantity)
        near = near and is_near
        if value == value:
            count += 1
            total += value
            if value == 0.0:
                zeros += 1
            else:
                size = bits_of_double(value) & int64(SIZE_BITS)
                least = min(least, size)
                most = max(most, size)
        if value > 0.0:
            positive += 1
            log_total += math.log(value)
    mean = total / count if count > 0 else math.nan
    log_mean = log_total / positive if positive > 0 else math.nan
    odd = not near or most >= MOST or (most > 0 and least < LEAST)
    groups.odd[group, quantity, layer] = odd
    groups.keys[group, 0, quantity, layer] = int32(least >> KEY_SHIFT) if most > 0 else int32(NOTHING)
    groups.keys[group, 1, quantity, layer] = int32(most >> KEY_SHIFT) if most > 0 else int32(NOTHING)
    spread, log_spread = 0.0, 0.0
    if not odd:
        spread, log_spread = _spreads(recipe, sums, exponents, (start, end), (layer, quantity), mean, log_mean)
    results = groups.results[group]
    results[COUNT, quantity, layer], results[ZEROS, quantity, layer] = count, zeros
    results[MEAN, quantity, layer], results[SPREAD, quantity, layer] = mean, spread
    results[LOG_COUNT, quantity, layer] = positive
    results[LOG_MEAN, quantity, layer], results[LOG_SPREAD, quantity, layer] = log_mean, log_spread


def count_waiting(recipe, groups, sums, exponents, table):
    """Count the numbers of all columns that have a histogram in ``table``, which holds all their keys."""
    group, layer, quantity = _place(recipe)
    start = group * groups.size
    if start >= groups.networks:
        return
    length = table.length[quantity, layer]
    if length == 0 or groups.odd[group, quantity, layer] or groups.keys[group, 1, quantity, layer] < 0:
        return
    first = table.start[quantity, layer] - table.low[quantity, layer]
    for network in range(start, min(start + groups.size, groups.networks)):
        value, _ = _make_value(recipe, sums, exponents, network, layer, quantity)
        if value == value and value != 0.0:
            entry = first + ((bits_of_double(value) & int64(SIZE_BITS)) >> KEY_SHIFT)
            cuda.atomic.add(table.counts, entry + (length if value < 0.0 else 0), int32(1))
