"""The rows of one case on their way into the file, part by part in any order, and what they fold to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mcflow.files.datasets import CHUNK_BYTES, create
from mcflow.files.schema import entry
from mcflow.methods import cost
from mcflow.sampling import blocks
from mcflow.sampling.fold import folded_rows
from mcflow.sampling.part import Part, fold, halves_merged
from mcflow.sampling.recorded import Pair
from mcflow.statistics import magnitudes
from mcflow.statistics.summaries import Accumulator

if TYPE_CHECKING:
    import h5py


class CaseRows:
    """``networks`` rows of a case in its group; of what was put, moments are held and no row."""

    def __init__(self, group: h5py.Group, networks: int) -> None:
        self._group, self._networks = group, networks
        self._size = cost.group_size(int(group.attrs["part_networks"]))
        self._there: list[slice] = []
        self._folded: list[Part] = []
        self.histograms: Pair | None = None

    def put(self, part: Part, start: int) -> None:
        """Put a part's rows from row ``start`` on."""
        assert part.rows is not None
        group, here = self._group, slice(start, start + part.count)
        if "network" not in group:
            create(group, entry("CASE", "network"), (self._networks,), np.int64)
            for quantity, rows in part.rows.items():
                create(group, entry("CASE", quantity), (self._networks, rows.shape[1]), np.float64)
        group["network"][here] = np.arange(part.first, part.end)
        for quantity, rows in part.rows.items():
            group[quantity][here] = rows
            self._put_logarithms(part, quantity, here)
        self._there.append(here)
        folded = [*self._folded, *folded_rows(part, self._size)]
        self._folded = halves_merged(sorted(folded, key=lambda each: each.first))
        if part.first == 0:
            self.histograms = part.histograms

    def _put_logarithms(self, part: Part, quantity: str, here: slice) -> None:
        """The logarithms of a part's rows, from the first part on that needs them, and then of all parts."""
        group, name = self._group, quantity + magnitudes.SUFFIX
        if name not in group:
            if quantity not in part.log2:
                return
            create(group, entry("CASE", name), group[quantity].shape, np.float64)
            step = max(1, CHUNK_BYTES // (8 * group[quantity].shape[1]))
            for before in self._there:
                for first in range(before.start, before.stop, step):
                    some = slice(first, min(first + step, before.stop))
                    group[name][some] = magnitudes.log2_of(group[quantity][some])
        group[name][here] = blocks.logarithms(part, quantity)

    def accumulators(self) -> dict[str, Accumulator]:
        """Each quantity over all that was put."""
        return fold(self._folded).accumulators or {} if self._folded else {}

    @property
    def is_whole(self) -> bool:
        """Whether all networks from the first on are there."""
        ends = [0, *(part.end for part in self._folded)]
        return ends[-1] == self._networks and all(
            part.first == end for part, end in zip(self._folded, ends, strict=False)
        )
