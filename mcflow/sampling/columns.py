"""Groups of networks folded for one quantity: what a device leaves of them, and how the processor does it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mcflow.kernels.folded import RESULTS
from mcflow.sampling.key_counts import KeyCounts
from mcflow.statistics.magnitudes import Floats


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
    def source(self, name: str) -> tuple[Any, Floats, Floats]:
        """A quantity's recipe, sums and exponents, as ``kernels/cpu/fold.py`` takes them."""
        ...

    def far(self, name: str) -> NDArray[np.bool_] | None:
        """(network, layer) where a number of the source has left float64; None where none has."""
        ...


def fold(block: Sums, name: str, size: int, keys: KeyCounts) -> Columns:
    """A quantity's groups of ``size`` networks by the processor's loops, its numbers counted in ``keys``."""
    from mcflow.kernels.cpu import fold

    groups, layers = -(-block.count // size), block.layers
    results, odd = np.empty((RESULTS, groups, layers)), np.zeros((groups, layers), np.bool_)
    far = block.far(name)
    if far is not None:
        odd |= np.logical_or.reduceat(far, np.arange(0, block.count, size), axis=0)
    waiting, wanted = np.zeros_like(odd), keys.nothing_wanted()
    source = block.source(name)
    fold.fold_groups(*source, size, fold.Table(keys.counts, keys.low, wanted, waiting), results, odd)
    beside = waiting
    if waiting.any():
        keys.reach(wanted)
        beside = waiting & ~keys.has_place(wanted)
        fold.count_waiting(*source, size, fold.Table(keys.counts, keys.low, wanted, waiting & ~beside))
    return Columns(results, odd, beside)
