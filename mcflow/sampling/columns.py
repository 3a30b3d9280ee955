"""Groups of networks folded for one quantity: what a device leaves of them, and how the processor does it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mcflow.kernels.folded import NOTHING, RESULTS
from mcflow.sampling.key_counts import KeyCounts
from mcflow.statistics import magnitudes
from mcflow.statistics.magnitudes import Floats

# Numbers that are folded at once, as many as a second-level cache holds several times, and of how many layers at least.
_NUMBERS, _LEAST_LAYERS = 1 << 15, 8


@dataclass(frozen=True)
class Columns:
    """``results`` (RESULTS, group, layer) in the order of ``kernels/folded.py``, and what NumPy has to do.

    ``odd`` bool (group, layer): columns that hold numbers beyond 2^+-400, of which nothing here is right; ``beside``:
    those whose numbers could not be counted.
    """

    results: Floats
    odd: NDArray[np.bool_]
    beside: NDArray[np.bool_]


class Sums(Protocol):
    """Sums of networks, or rows, in the memory of the processor."""

    @property
    def count(self) -> int: ...
    @property
    def layers(self) -> int: ...
    def values(self, name: str, networks: slice, layers: slice, by_layer: bool) -> tuple[Floats, Floats | None]:
        """(layer, network) numbers of a quantity, and their logarithms where one has left float64."""
        ...


def fold(block: Sums, name: str, size: int, keys: KeyCounts) -> Columns:
    """A quantity's groups of ``size`` networks by the processor's loops, its numbers counted in ``keys``."""
    groups, layers = -(-block.count // size), block.layers
    found = Columns(np.empty((RESULTS, groups, layers)), *np.zeros((2, groups, layers), np.bool_))
    some_layers = max(_LEAST_LAYERS, _NUMBERS // size)
    some_groups = max(1, _NUMBERS // (size * min(some_layers, layers)))
    whole = block.count // size
    ends = [*range(0, whole, some_groups), whole, groups]  # the last group may be a shorter one
    for first, end in itertools.pairwise(dict.fromkeys(ends)):
        for layer in range(0, layers, some_layers):
            _fold(block, name, size, keys, found, (slice(first, end), slice(layer, min(layer + some_layers, layers))))
    return found


def _fold(block: Sums, name: str, size: int, keys: KeyCounts, found: Columns, here: tuple[slice, slice]) -> None:
    """Groups and layers ``here`` of ``found``: as many as stay in the cache while several loops go over them."""
    from mcflow.kernels.cpu import fold

    groups, layers = here
    networks = slice(groups.start * size, min(groups.stop * size, block.count))
    values, log2 = block.values(name, networks, layers, True)
    turned = values.reshape(len(values), groups.stop - groups.start, -1)
    results, odd = found.results[:, groups, layers], found.odd[here]
    ends = np.empty((2, *odd.shape), np.int64)
    fold.fold_groups(turned, np.empty(turned.shape[2]), results, ends, odd)
    if log2 is not None:
        odd |= magnitudes.lost(values, log2).reshape(turned.shape).any(axis=2).T
    if not keys.counted:
        return
    waiting = ~odd & (ends[0] != NOTHING)
    if fold.count_waiting(turned, ends, keys.counts[layers], keys.low[layers], waiting):
        wanted = keys.nothing_wanted()
        wanted[0, layers] = ends[0].min(axis=0, where=waiting, initial=wanted[0, 0])
        wanted[1, layers] = ends[1].max(axis=0, where=waiting, initial=wanted[1, 0])
        keys.reach(wanted)
        fold.count_waiting(turned, ends, keys.counts[layers], keys.low[layers], waiting)
        found.beside[here] = waiting
