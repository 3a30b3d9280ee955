"""Moments over networks that merge: count, mean and spread per layer, at any magnitude."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mcflow.statistics import magnitudes
from mcflow.statistics.magnitudes import Floats

# Mean and spread carry a power of two where the largest value lies outside 2^+-this: near the ends of float64 a spread,
# or a sum of parts, could leave it.
_PLAIN_EXPONENT = 900


@dataclass(frozen=True)
class Moments:
    """Count, mean and spread of (layer,) numbers.

    ``spread`` is the root of the sum of squared deviations: unlike that sum it can be held where values are 1e-200.
    Values that are not a number are not counted. Mean and spread, and all that is made of them here, are multiples of
    2**exponent, (layer,) or 0 for all.
    """

    count: NDArray[np.int64]
    mean: Floats
    spread: Floats
    exponent: NDArray[np.int64] | int = 0

    @property
    def std(self) -> Floats:
        """(layer,) standard deviation with n - 1 in the denominator; NaN for fewer than two values."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.count > 1, self.spread / np.sqrt(np.maximum(self.count - 1, 1)), np.nan)

    @property
    def standard_error(self) -> Floats:
        """(layer,) standard error of the mean; NaN for fewer than two values."""
        return self.std / np.sqrt(np.maximum(self.count, 1))


def moments(values: Floats, where: NDArray[np.bool_] | None = None, log2: Floats | None = None) -> Moments:
    """Moments over the first axis of (network, layer) values, of those that are numbers and lie in ``where``.

    ``log2`` are the logarithms beside values of which some have left float64.
    """
    counted = ~np.isnan(values) if where is None else where & ~np.isnan(values)
    count = counted.sum(axis=0, dtype=np.int64)
    unit = np.zeros(values.shape[1], np.int64)
    if log2 is not None:
        far = magnitudes.lost(values, log2).any(axis=0)
        values = values.copy()
        values[:, far], unit[far] = magnitudes.in_units(values[:, far], log2[:, far])
    chosen = np.where(counted, values, 0.0)
    # Powers of two: scaling by them is exact, and sums and squares then stay inside the range of float64.
    size = np.frexp(np.abs(chosen).max(axis=0, initial=0.0))[1].astype(np.int64) - 1
    carried = np.where(np.abs(size) > _PLAIN_EXPONENT, size, 0)
    scale, back = np.ldexp(1.0, size), np.ldexp(1.0, size - carried)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        centre = (chosen / scale).sum(axis=0) / count
        deviation = np.where(counted, chosen / scale - centre, 0.0)
        reach = np.ldexp(1.0, np.frexp(np.abs(deviation).max(axis=0, initial=0.0))[1] - 1)
        spread = np.sqrt(((deviation / reach) ** 2).sum(axis=0)) * reach * back
        exponent = unit + carried
        mean, spread = np.where(count > 0, centre * back, np.nan), np.where(count > 0, spread, 0.0)
        return Moments(count, mean, spread, exponent if exponent.any() else 0)


def log_moments(values: Floats, log2: Floats | None = None) -> Moments:
    """Moments of the natural logarithm of (network, layer) values, over those that are positive."""
    logs = magnitudes.logarithms(values, log2)
    positive = ~np.isnan(logs)
    return moments(np.where(positive, logs, 0.0), where=positive)


def merge(first: Moments, second: Moments) -> Moments:
    """Moments of two disjoint sets of networks (Chan, Golub and LeVeque 1979, eq. 2.1, with roots)."""
    first, second = _in_one_unit(first, second)
    count = first.count + second.count
    safe = np.maximum(count, 1)
    with np.errstate(invalid="ignore", over="ignore"):
        delta = second.mean - first.mean
        mean = first.mean + delta * (second.count / safe)
        between = np.abs(delta) * np.sqrt(first.count * (second.count / safe))
        spread = np.hypot(np.hypot(first.spread, second.spread), between)
    alone_first, alone_second = second.count == 0, first.count == 0
    mean = np.where(alone_first, first.mean, np.where(alone_second, second.mean, mean))
    spread = np.where(alone_first, first.spread, np.where(alone_second, second.spread, spread))
    return Moments(count, mean, spread, first.exponent)


def _in_one_unit(first: Moments, second: Moments) -> tuple[Moments, Moments]:
    """Both as multiples of the larger power of two; what is nothing but zeros has none."""
    if not np.any(first.exponent) and not np.any(second.exponent):
        return first, second
    none = np.iinfo(np.int64).min
    ends = [np.where((of.mean == 0) & (of.spread == 0) | (of.count == 0), none, of.exponent) for of in (first, second)]
    largest = np.maximum(*ends)
    unit = np.where(largest == none, 0, largest)
    return _in_unit(first, unit), _in_unit(second, unit)


def _in_unit(of: Moments, unit: NDArray[np.int64]) -> Moments:
    shift = np.maximum(of.exponent - unit, -5000)  # 0 is what is left of so small a thing
    mean, spread = (np.ldexp(x, np.where(x == 0, 0, shift)) for x in (of.mean, of.spread))
    return replace(of, mean=mean, spread=spread, exponent=unit)


def fold(parts: Iterable[Moments]) -> Moments:
    """Moments of all parts, merged from left to right: the order is part of the result's bits."""
    parts = iter(parts)
    total = next(parts)
    for part in parts:
        total = merge(total, part)
    return total
