"""A quantile sketch that merges exactly: counts in 64 bins per octave, of every sign and magnitude.

This is DDSketch (Masson, Rim & Lee 2019, DDSketch: a fast and fully-mergeable quantile sketch with relative-error
guarantees, PVLDB 12, 2195-2205), its buckets linear within an octave instead of logarithmic: the bins are read off the
bits of a number, so that no rounding can move it and merging is order-free. A quantile is the middle of its bin: off by
less than 1 / 128 = 0.79 % of the value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mcflow.statistics import magnitudes
from mcflow.statistics.magnitudes import Floats

BINS_PER_OCTAVE = 64
RELATIVE_ERROR = 1.0 / (2 * BINS_PER_OCTAVE)
_LOWEST_EXPONENT = 1 << 33  # exponents lie within +-this: shifted by it they are positive
_LAYER_SHIFT = 42  # bits of a code below its layer; bin numbers stay under 2^40 in size
_ZERO = 1 << (_LAYER_SHIFT - 1)
_INFINITE = _LOWEST_EXPONENT - 1  # the octave of infinity
_FARTHEST = 5000  # octaves between two numbers, of which the smaller is nothing beside the larger


@dataclass(frozen=True)
class Sketch:
    """Counts of the values of each layer: ``codes`` (entry,) ascending, each a layer and a bin, and ``counts``."""

    codes: NDArray[np.int64]
    counts: NDArray[np.int64]


def sketch(values: Floats, log2: Floats | None = None) -> Sketch:
    """The sketch of (network, layer) values; what is not a number is not counted.

    ``log2`` are the logarithms beside values of which some have left float64.
    """
    magnitude = np.abs(values)
    fraction, exponent = np.frexp(magnitude)
    octave, zero = exponent.astype(np.int64), magnitude == 0
    infinite = np.isinf(magnitude)
    if log2 is not None:
        away = magnitudes.lost(values, log2)
        octave[away] = np.floor(log2[away]).astype(np.int64) + 1
        fraction[away] = np.exp2(log2[away] - octave[away])
        zero, infinite = zero & ~away, infinite & ~away
    within = np.where(infinite, 0.5, fraction) - 0.5
    octave = np.where(infinite, _INFINITE, octave) + _LOWEST_EXPONENT
    with np.errstate(invalid="ignore"):
        bins = octave * BINS_PER_OCTAVE + np.floor(within * (2 * BINS_PER_OCTAVE)).astype(np.int64)
    bins = np.where(zero, 0, np.where(np.signbit(values), -bins, bins))
    codes = (np.arange(values.shape[1], dtype=np.int64) << _LAYER_SHIFT) + _ZERO + bins
    unique, counts = np.unique(codes[~np.isnan(values)], return_counts=True)
    return Sketch(unique, counts.astype(np.int64))


_FIRST_OCTAVE = _LOWEST_EXPONENT - 1022  # of key 0: a key is the 11 bits of the exponent and 6 of the fraction


def from_keys(least: NDArray[np.int64], counts: NDArray[np.integer], zeros: NDArray[np.int64]) -> Sketch:
    """The sketch of layers whose values were counted by the first 17 bits of their size.

    ``counts`` (layer, 2, key): of positive and of negative values with the key ``least[layer] + key``; ``zeros``
    (layer,).
    """
    keys = counts.shape[2]
    ascending = np.concatenate([counts[:, 1, ::-1], zeros[:, np.newaxis], counts[:, 0]], axis=1)
    layer, place = np.nonzero(ascending)
    place = place.astype(np.int64) - keys  # -1, -2, ... are negative, 0 is zero
    bins = _FIRST_OCTAVE * BINS_PER_OCTAVE + least[layer] + np.abs(place) - 1
    codes = (layer << _LAYER_SHIFT) + _ZERO + np.sign(place) * bins
    return Sketch(codes, ascending[layer, place + keys].astype(np.int64))


def side_by_side(parts: Sequence[Sketch], layers: int) -> Sketch:
    """One sketch of the layers of several, ``layers`` in each but the last."""
    codes = [part.codes + (number * layers << _LAYER_SHIFT) for number, part in enumerate(parts)]
    return Sketch(np.concatenate(codes), np.concatenate([part.counts for part in parts]))


def merge(first: Sketch, second: Sketch) -> Sketch:
    """The sketch of both sets of values."""
    codes, counts = (np.concatenate([getattr(of, name) for of in (first, second)]) for name in ("codes", "counts"))
    if not len(codes):
        return first
    order = np.argsort(codes, kind="stable")  # two ascending runs: merged, not sorted
    codes, counts = codes[order], counts[order]
    starts = np.flatnonzero(np.concatenate([[True], codes[1:] != codes[:-1]]))
    return Sketch(codes[starts], np.add.reduceat(counts, starts))


def quantiles(of: Sketch, layers: int, probability: float) -> tuple[Floats, Floats | None]:
    """The quantile of that probability, linear between ranks as numpy.quantile; NaN for an empty layer.

    (layer,) values, and their logarithms where one of them has left float64.
    """
    mantissas, exponents = np.full(layers, np.nan), np.zeros(layers)
    bounds = np.searchsorted(of.codes, np.arange(layers + 1, dtype=np.int64) << _LAYER_SHIFT)
    for layer in range(layers):
        here = slice(bounds[layer], bounds[layer + 1])
        if bounds[layer] == bounds[layer + 1]:
            continue
        reached = np.cumsum(of.counts[here])
        rank = probability * float(reached[-1] - 1)
        low = int(rank)
        places = np.searchsorted(reached, [low, min(low + 1, int(reached[-1]) - 1)], side="right")
        ends, exponents[layer] = _middle(of.codes[here][places] - (layer << _LAYER_SHIFT) - _ZERO)
        mantissas[layer] = ends[0] if ends[0] == ends[1] else ends[0] + (rank - low) * (ends[1] - ends[0])
    return magnitudes.from_powers(mantissas, exponents)


def _middle(bins: NDArray[np.int64]) -> tuple[Floats, int]:
    """The middles of bins as multiples of a power of two, and its exponent."""
    octave, within = np.divmod(np.abs(bins), BINS_PER_OCTAVE)
    octave = np.where(bins == 0, 0, octave)
    infinite = octave == _INFINITE + _LOWEST_EXPONENT
    unit = int(octave[~infinite].max(initial=0))
    fraction = np.where(infinite, np.inf, 0.5 + (within + 0.5) / (2 * BINS_PER_OCTAVE))
    shift = np.maximum(octave - unit, -_FARTHEST)
    middle = np.where(bins == 0, 0.0, np.copysign(np.ldexp(fraction, np.where(infinite, 0, shift)), bins))
    return middle, unit - _LOWEST_EXPONENT if unit else 0
