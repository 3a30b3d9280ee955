"""What a study says of one quantity over all networks: accumulators that merge, and the statistics read off them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mcflow.statistics import magnitudes, moments, sketches
from mcflow.statistics.magnitudes import Floats
from mcflow.statistics.moments import Moments
from mcflow.statistics.sketches import Sketch

QUANTILES = {"q05": 0.05, "q50": 0.5, "q95": 0.95}


@dataclass(frozen=True)
class Accumulator:
    """Moments of a quantity and of its logarithm, how often it is exactly 0, and, where rows are not kept, a sketch."""

    value: Moments
    logarithm: Moments
    zeros: NDArray[np.int64]
    sketch: Sketch | None = None


def accumulate(rows: Floats, sketched: bool, log2: Floats | None = None) -> Accumulator:
    """The accumulator of (network, layer) rows; ``log2`` beside those of which some have left float64."""
    return Accumulator(
        moments.moments(rows, log2=log2),
        moments.log_moments(rows, log2),
        magnitudes.is_zero(rows, log2).sum(axis=0, dtype=np.int64),
        sketches.sketch(rows, log2) if sketched else None,
    )


def merge(first: Accumulator, second: Accumulator) -> Accumulator:
    """The accumulator of two disjoint sets of networks; bits depend on the order, which is that of the parts."""
    both = first.sketch is not None and second.sketch is not None
    return Accumulator(
        moments.merge(first.value, second.value),
        moments.merge(first.logarithm, second.logarithm),
        first.zeros + second.zeros,
        sketches.merge(first.sketch, second.sketch) if both else None,  # type: ignore[arg-type]
    )


def fold(parts: Iterable[Accumulator]) -> Accumulator:
    """All parts' accumulators, merged from left to right."""
    parts = iter(parts)
    total = next(parts)
    for part in parts:
        total = merge(total, part)
    return total


def describe(of: Accumulator) -> dict[str, Floats | NDArray[np.int64]]:
    """Each statistic as (layer,) numbers, with STATISTIC_log2 where one has left float64.

    Quantiles only where there is a sketch to read them from.
    """
    count = of.value.count
    exponent = np.broadcast_to(np.asarray(of.value.exponent, dtype=np.float64), count.shape)
    out: dict[str, Floats | NDArray[np.int64]] = {"count": count}
    for name in ("mean", "std", "standard_error"):
        out |= _with_logarithms(name, *magnitudes.from_powers(getattr(of.value, name), exponent))
    out |= {
        "log_mean": of.logarithm.mean,
        "log_std": of.logarithm.std,
        "zero_fraction": np.where(count > 0, of.zeros / np.maximum(count, 1), np.nan),
    }
    if of.sketch is not None:
        for name, probability in QUANTILES.items():
            out |= _with_logarithms(name, *sketches.quantiles(of.sketch, len(count), probability))
    return out


def _with_logarithms(name: str, values: Floats, log2: Floats | None) -> dict[str, Floats]:
    return {name: values} if log2 is None else {name: values, name + magnitudes.SUFFIX: log2}


def exact_quantiles(columns: Floats, log2: Floats | None = None) -> dict[str, Floats]:
    """The quantiles of (layer, network) values, of those that are numbers; NAME_log2 too where ``log2`` is given.

    Sorts ``columns`` where they are: whole columns, which is quicker than finding six numbers.
    """
    probabilities = list(QUANTILES.values())
    values = columns if log2 is None else columns.copy()
    columns.sort(axis=1)  # what is no number comes last
    lacking = np.isnan(columns[:, -1])
    count = np.full(len(columns), columns.shape[1])
    count[lacking] -= np.isnan(columns[lacking]).sum(axis=1)
    found = np.stack([_quantile(columns, count, probability) for probability in probabilities])
    out = dict(zip(QUANTILES, found, strict=True))
    if log2 is None:
        return out
    logs = magnitudes.log2_of(found)
    for layer in np.flatnonzero(magnitudes.lost(values, log2).any(axis=1)):
        there = ~np.isnan(values[layer])
        found[:, layer], logs[:, layer] = magnitudes.quantiles(values[layer, there], log2[layer, there], probabilities)
    return out | {name + magnitudes.SUFFIX: each for name, each in zip(QUANTILES, logs, strict=True)}


def _quantile(ordered: Floats, count: NDArray[np.int64], probability: float) -> Floats:
    """(layer,) quantiles of the first ``count`` of each row, linear between ranks, to the bits of numpy.quantile."""
    last = np.maximum(count - 1, 0)
    rank = probability * last
    low = np.floor(rank).astype(np.int64)
    layers = np.arange(len(ordered))
    below, above = ordered[layers, low], ordered[layers, np.minimum(low + 1, last)]
    share = rank - low
    with np.errstate(invalid="ignore"):  # between two infinities lies no number
        gap = above - below
        found = np.where(share < 0.5, below + gap * share, above - gap * (1.0 - share))
    return np.where(count > 0, found, np.nan)
