"""Rows from sums: what a device leaves of a block's layers becomes quantities, as the registry says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from mcflow.sampling.blocks import Block
from mcflow.sampling.part import Part
from mcflow.sampling.recorded import Histograms, Pair, Recorded
from mcflow.statistics import magnitudes
from mcflow.statistics.magnitudes import Floats

_NUMBERS = 1 << 15  # that are made at once: a second-level cache holds them several times


def block_of(recorded: Recorded, threads: int = 1) -> Block:
    """The rows of a block, by compiled loops in several threads; ``threads`` change no bit."""
    rows = {name: np.empty((recorded.count, recorded.layers)) for name in recorded.names}
    log2 = _fill(rows, recorded, threads)
    return Block(recorded.first, rows, *recorded.histograms, log2)


def _fill(rows: dict[str, Floats], recorded: Recorded, threads: int) -> dict[str, Floats]:
    """Put (network, layer) values into ``rows``; returns the logarithms of the quantities that left float64."""
    if threads == 1:
        found = [_fill_one(recorded, name, rows[name]) for name in rows]
    else:
        with ThreadPoolExecutor(threads) as pool:
            found = list(pool.map(lambda name: _fill_one(recorded, name, rows[name]), rows))
    return {name: log2 for name, log2 in zip(rows, found, strict=True) if log2 is not None}


def _fill_one(recorded: Recorded, name: str, into: Floats) -> Floats | None:
    """One quantity, as many rows at once as stay in the cache; the logarithms of all where one left float64."""
    log2: Floats | None = None
    step = max(1, _NUMBERS // into.shape[1])
    for first in range(0, len(into), step):
        here = slice(first, first + step)
        into[here], logs = recorded.values(name, here)
        if logs is not None and log2 is None:
            log2 = np.empty_like(into)
            log2[:first] = magnitudes.log2_of(into[:first])
        if log2 is not None:
            log2[here] = magnitudes.log2_of(into[here]) if logs is None else logs
    return log2


class Keeping:
    """Consecutive networks of one case on their way to one part of ``count`` rows.

    ``start`` holds its first rows where they are there already; ``threads`` share the work.
    """

    def __init__(self, count: int, start: Block | None, threads: int = 1) -> None:
        self._count, self._threads = count, threads
        self._rows: dict[str, Floats] = {}
        self._log2: dict[str, Floats] = {}
        self._counts = Histograms()
        self._done = 0
        if start is not None:
            self._begin(list(start.rows), len(next(iter(start.rows.values()))[0]))
            for name, values in start.rows.items():
                self._rows[name][: start.count] = values
            self._end(start.count, start.log2, (start.preactivation_counts, start.gradient_counts))

    def add(self, block: Recorded) -> None:
        """Keep the rows of the networks that come next."""
        if not self._rows:
            self._begin(block.names, block.layers)
        here = slice(self._done, self._done + block.count)
        log2 = _fill({name: rows[here] for name, rows in self._rows.items()}, block, self._threads)
        self._end(block.count, log2, block.histograms)

    def _begin(self, names: Sequence[str], layers: int) -> None:
        self._rows = {name: np.empty((self._count, layers)) for name in names}

    def _end(self, count: int, log2: Mapping[str, Floats], histograms: Pair) -> None:
        """Logarithms from the first block on that needs them, and then of all."""
        here = slice(self._done, self._done + count)
        for name, rows in self._rows.items():
            if name in log2 and name not in self._log2:
                self._log2[name] = np.empty_like(rows)
                self._log2[name][: self._done] = magnitudes.log2_of(rows[: self._done])
            if name in self._log2:
                self._log2[name][here] = log2[name] if name in log2 else magnitudes.log2_of(rows[here])
        self._counts.add(histograms)
        self._done += count

    def part(self, first: int, count: int) -> Part:
        """All of them, after the last."""
        return Part(first, count, self._rows, None, *self._counts.pair, self._log2)
