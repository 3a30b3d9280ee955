"""Rows to accumulators by compiled loops, in several threads: bit for bit what ``summaries.accumulate`` makes."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from mcflow.statistics import sketches, summaries
from mcflow.statistics.magnitudes import Floats
from mcflow.statistics.moments import Moments
from mcflow.statistics.sketches import Sketch
from mcflow.statistics.summaries import Accumulator

COLUMNS = 64
_MIDDLE = 500  # exponents of the largest value between which no power of two can leave float64
_MOST_KEYS = 1 << 14  # keys of a strip's histogram: 256 octaves


def accumulate(
    rows: Mapping[str, Floats], log2: Mapping[str, Floats], sketched: bool, threads: int = 1
) -> dict[str, Accumulator]:
    """The accumulator of each quantity's (network, layer) rows; ``log2`` of those of which some have left float64.

    ``threads`` share the work and change no bit.
    """
    plain = {name: np.ascontiguousarray(values) for name, values in rows.items() if name not in log2}
    found = {name: summaries.accumulate(rows[name], sketched, log2[name]) for name in rows if name in log2}
    if threads > 1:
        with ThreadPoolExecutor(threads) as pool:
            done = list(pool.map(_of_quantity, plain.values(), repeat(sketched)))
    else:
        done = [_of_quantity(values, sketched) for values in plain.values()]
    found |= dict(zip(plain, done, strict=True))
    return {name: found[name] for name in rows}


def _of_quantity(values: Floats, sketched: bool) -> Accumulator:
    """One quantity, strip by strip of columns; by NumPy where a strip holds what compiled loops do not."""
    strips = []
    for start in range(0, values.shape[1], COLUMNS):
        strip = np.ascontiguousarray(values[:, start : start + COLUMNS])
        strips.append(_of_strip(strip, sketched) or summaries.accumulate(strip, sketched))
    return _side_by_side(strips)


def _of_strip(values: Floats, sketched: bool) -> Accumulator | None:
    """The accumulator of a few columns; None where one has infinities, subnormals or exponents near their ends."""
    from mcflow.kernels.cpu import fold

    columns = values.shape[1]
    bits = values.view(np.int64)
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = np.log(values)
    first = np.empty((fold.RESULTS, columns))
    fold.first_pass(values, logs, bits, first)
    odd = (first[fold.MOST_KEY] >= fold.INFINITE) | (first[fold.LEAST_KEY] < fold.LEAST_NORMAL)
    if odd.any():
        return None
    size, log_size = (np.frexp(first[of])[1].astype(np.int64) - 1 for of in (fold.LARGEST, fold.LARGEST_LOG))
    if np.abs(size).max() > _MIDDLE:
        return None
    count, positive = first[fold.COUNT].astype(np.int64), first[fold.POSITIVE].astype(np.int64)
    unit, log_unit = np.ldexp(1.0, -size), np.ldexp(1.0, -log_size)
    with np.errstate(invalid="ignore", divide="ignore"):
        centre, log_centre = first[fold.SUM] * unit / count, first[fold.LOG_SUM] * log_unit / positive
    squares = np.empty((2, columns))
    fold.second_pass(values, logs, unit, centre, log_unit, log_centre, squares)
    sketch = None
    if sketched:
        sketch = _sketch(bits, first[fold.LEAST_KEY], first[fold.MOST_KEY], first[fold.ZEROS].astype(np.int64))
        sketch = sketches.sketch(values) if sketch is None else sketch
    return Accumulator(
        _moments(count, centre, squares[0], size),
        _moments(positive, log_centre, squares[1], log_size),
        first[fold.ZEROS].astype(np.int64),
        sketch,
    )


def _moments(count: NDArray[np.int64], centre: Floats, squares: Floats, size: NDArray[np.int64]) -> Moments:
    back = np.ldexp(1.0, size)
    mean, spread = np.where(count > 0, centre * back, np.nan), np.where(count > 0, np.sqrt(squares) * back, 0.0)
    return Moments(count, mean, spread)


def _sketch(bits: NDArray[np.int64], least: Floats, most: Floats, zeros: NDArray[np.int64]) -> Sketch | None:
    """The sketch of the columns by counting keys; None where they reach too far for that."""
    from mcflow.kernels.cpu import fold

    low = least.astype(np.int64)
    keys = int((most - least).max()) + 1
    if keys > _MOST_KEYS:
        return None
    counts = np.zeros((len(least), 2, max(1, keys)), np.int64)
    fold.count_keys(bits, low, counts)
    return sketches.from_keys(low, counts, zeros)


def _side_by_side(strips: list[Accumulator]) -> Accumulator:
    """The accumulator of columns that stand beside each other."""
    if len(strips) == 1:
        return strips[0]
    return Accumulator(
        _joined([strip.value for strip in strips]),
        _joined([strip.logarithm for strip in strips]),
        np.concatenate([strip.zeros for strip in strips]),
        sketches.side_by_side([strip.sketch for strip in strips if strip.sketch is not None], COLUMNS)
        if strips[0].sketch is not None
        else None,
    )


def _joined(of: list[Moments]) -> Moments:
    exponents: list[NDArray[np.int64]] = [
        np.broadcast_to(np.asarray(each.exponent, np.int64), each.count.shape) for each in of
    ]
    exponent = np.concatenate(exponents)
    return Moments(
        np.concatenate([each.count for each in of]),
        np.concatenate([each.mean for each in of]),
        np.concatenate([each.spread for each in of]),
        exponent if exponent.any() else 0,
    )
