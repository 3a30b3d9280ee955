"""What a device leaves of a block whose networks it has folded by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mcflow.sampling.columns import Columns
from mcflow.sampling.key_counts import KeyCounts
from mcflow.sampling.recorded import Pair, Recorded
from mcflow.statistics.magnitudes import Floats


@dataclass(frozen=True)
class Counted:
    """Histograms by key of some of the groups, for each (quantity, layer): see ``KeyCounts.add``."""

    counts: NDArray[np.int32]
    start: NDArray[np.int64]
    low: NDArray[np.int64]
    length: NDArray[np.int64]


@dataclass(frozen=True)
class Grouped:
    """The networks first .. first + count - 1 of one case in groups of ``size``, the last one shorter.

    ``results`` (group, RESULTS, quantity, layer) in the order of ``kernels/folded.py``; ``odd`` and ``waiting`` bool
    (group, quantity, layer): columns that NumPy has to fold, or to count, from the networks of their groups, which
    ``kept`` has. ``histograms`` are as those of ``Recorded``.
    """

    first: int
    count: int
    size: int
    names: tuple[str, ...]
    results: Floats
    odd: NDArray[np.bool_]
    waiting: NDArray[np.bool_]
    counted: Sequence[Counted]
    kept: Mapping[int, Recorded]
    histograms: Pair

    @property
    def layers(self) -> int:
        return self.odd.shape[2]

    def fold_groups(self, name: str, size: int, keys: KeyCounts) -> Columns:
        """A quantity's groups, its numbers counted in ``keys``; ValueError for groups of another size."""
        if size != self.size:
            raise ValueError(f"networks folded in groups of {self.size} cannot be had in groups of {size}")
        of = self.names.index(name)
        if keys.counted:
            for table in self.counted:
                keys.add(table.low[of], table.length[of], table.start[of], table.counts)
        results = np.moveaxis(self.results[:, :, of], 1, 0).copy()
        return Columns(results, self.odd[:, of], self.waiting[:, of])

    def values(self, name: str, networks: slice) -> tuple[Floats, Floats | None]:
        """(network, layer) numbers of one group that is kept, and their logarithms where one left float64."""
        return self.kept[networks.start // self.size].values(name, slice(None))
