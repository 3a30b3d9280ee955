"""Moments over networks that merge: count, mean and spread per layer, safe at any magnitude a float64 can hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """Count, mean and spread of (layer,) numbers.

    ``spread`` is the root of the sum of squared deviations: unlike that sum it can be held where values are 1e-200.
    Values that are not a number are not counted.
    """

    count: NDArray[np.int64]
    mean: Floats
    spread: Floats

    @property
    def std(self) -> Floats:
        """(layer,) standard deviation with n - 1 in the denominator; NaN for fewer than two values."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.count > 1, self.spread / np.sqrt(np.maximum(self.count - 1, 1)), np.nan)

    @property
    def standard_error(self) -> Floats:
        """(layer,) standard error of the mean; NaN for fewer than two values."""
        return self.std / np.sqrt(np.maximum(self.count, 1))


def moments(values: Floats, where: NDArray[np.bool_] | None = None) -> Moments:
    """Moments over the first axis of (network, layer) values, of those that are numbers and lie in ``where``."""
    counted = ~np.isnan(values) if where is None else where & ~np.isnan(values)
    count = counted.sum(axis=0, dtype=np.int64)
    chosen = np.where(counted, values, 0.0)
    # Powers of two: scaling by them is exact, and sums and squares then stay inside the range of float64.
    scale = np.ldexp(1.0, np.frexp(np.abs(chosen).max(axis=0, initial=0.0))[1] - 1)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        centre = (chosen / scale).sum(axis=0) / count
        deviation = np.where(counted, chosen / scale - centre, 0.0)
        reach = np.ldexp(1.0, np.frexp(np.abs(deviation).max(axis=0, initial=0.0))[1] - 1)
        spread = np.sqrt(((deviation / reach) ** 2).sum(axis=0)) * reach * scale
        return Moments(count, np.where(count > 0, centre * scale, np.nan), np.where(count > 0, spread, 0.0))


def log_moments(values: Floats) -> Moments:
    """Moments of the natural logarithm of (network, layer) values, over those that are positive."""
    positive = values > 0
    return moments(np.log(np.where(positive, values, 1.0)), where=positive)


def merge(first: Moments, second: Moments) -> Moments:
    """Moments of two disjoint sets of networks (Chan, Golub and LeVeque 1979, eq. 2.1, with roots)."""
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
    return Moments(count, mean, spread)


def fold(parts: Iterable[Moments]) -> Moments:
    """Moments of all parts, merged from left to right: the order is part of the result's bits."""
    parts = iter(parts)
    total = next(parts)
    for part in parts:
        total = merge(total, part)
    return total
