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

COLUMNS = 64  # whose histograms are counted at a time: they stay in the caches
_MIDDLE = 500  # exponents of the largest value between which no power of two can leave float64
_MOST_KEYS = 1 << 14  # keys of a histogram: 256 octaves


def accumulate(
    rows: Mapping[str, Floats], log2: Mapping[str, Floats], sketched: bool, threads: int = 1
) -> dict[str, Accumulator]:
    """The accumulator of each quantity's (network, layer) rows; ``log2`` of those of which some have left float64.

    ``threads`` share the work and change no bit.
    """
    if threads == 1 or len(rows) == 1:
        return {name: _of_quantity(values, log2.get(name), sketched) for name, values in rows.items()}
    with ThreadPoolExecutor(threads) as pool:
        found = pool.map(_of_quantity, rows.values(), [log2.get(name) for name in rows], repeat(sketched))
        return dict(zip(rows, found, strict=True))


def _of_quantity(values: Floats, log2: Floats | None, sketched: bool) -> Accumulator:
    """One quantity; by NumPy where it holds what compiled loops do not: numbers beyond float64 or near its ends.

    A single layer too: NumPy sums it in another order.
    """
    compiled = _compiled(np.ascontiguousarray(values), sketched) if log2 is None and values.shape[1] > 1 else None
    return summaries.accumulate(values, sketched, log2) if compiled is None else compiled


def _compiled(values: Floats, sketched: bool) -> Accumulator | None:
    from mcflow.kernels.cpu import fold

    bits = values.view(np.int64)
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = np.log(values)
    first = np.empty((fold.RESULTS, values.shape[1]))
    fold.first_pass(values, logs, bits, first)
    size, log_size = (np.frexp(first[of])[1].astype(np.int64) - 1 for of in (fold.LARGEST, fold.LARGEST_LOG))
    odd = (first[fold.MOST_KEY] >= fold.INFINITE) | (first[fold.LEAST_KEY] < fold.LEAST_NORMAL)
    if odd.any() or np.abs(size).max() > _MIDDLE:
        return None
    count, positive, zeros = (first[of].astype(np.int64) for of in (fold.COUNT, fold.POSITIVE, fold.ZEROS))
    unit, log_unit = np.ldexp(1.0, -size), np.ldexp(1.0, -log_size)
    with np.errstate(invalid="ignore", divide="ignore"):
        centre, log_centre = first[fold.SUM] * unit / count, first[fold.LOG_SUM] * log_unit / positive
    squares = np.empty((2, values.shape[1]))
    fold.second_pass(values, logs, unit, centre, log_unit, log_centre, squares)
    sketch = _sketch(values, first[fold.LEAST_KEY], first[fold.MOST_KEY], zeros) if sketched else None
    return Accumulator(
        _moments(count, centre, squares[0], size), _moments(positive, log_centre, squares[1], log_size), zeros, sketch
    )


def _moments(count: NDArray[np.int64], centre: Floats, squares: Floats, size: NDArray[np.int64]) -> Moments:
    back = np.ldexp(1.0, size)
    return Moments(count, np.where(count > 0, centre * back, np.nan), np.where(count > 0, np.sqrt(squares) * back, 0.0))


def _sketch(values: Floats, least: Floats, most: Floats, zeros: NDArray[np.int64]) -> Sketch:
    """The sketch of all columns by counting keys, a few columns at a time; sorted where they reach too far for that."""
    from mcflow.kernels.cpu import fold

    low, keys = least.astype(np.int64), int((most - least).max(initial=0.0)) + 1
    if keys > _MOST_KEYS:
        return sketches.sketch(values)
    bits, parts = values.view(np.int64), []
    for start in range(0, len(low), COLUMNS):
        some = slice(start, start + COLUMNS)
        counts = np.zeros((len(low[some]), 2, max(1, keys)), np.int64)
        fold.count_keys(bits[:, some], low[some], counts)
        parts.append(sketches.from_keys(low[some], counts, zeros[some]))
    return sketches.side_by_side(parts, COLUMNS)
