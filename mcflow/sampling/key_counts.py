"""Histograms of one quantity by the first bits of its numbers: what the sketch for quantiles is made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mcflow.statistics import sketches
from mcflow.statistics.sketches import Sketch

_FEW_KEYS, _MOST_KEYS = 1 << 8, 1 << 12  # of a layer's histogram: 4 octaves, and 64
_LEAST_KEYS, _ALL_KEYS = 1 << 4, 1 << 20  # of very deep networks: of one layer, and of all
_NOT_YET = np.iinfo(np.int64)


class KeyCounts:
    """``counts`` int32 (layer, 2, key) of positive and of negative numbers, as long as they have to be.

    A layer's first key is ``low`` (layer,), which is -1 where none was counted yet. A sketch beside them holds what
    reaches too far. With no keys at all where nothing is to be counted.
    """

    def __init__(self, layers: int, counted: bool) -> None:
        self._most_keys = min(_MOST_KEYS, max(_LEAST_KEYS, 1 << (_ALL_KEYS // layers).bit_length() - 1))
        self.counts = np.zeros((layers, 2, min(_FEW_KEYS, self._most_keys) if counted else 0), np.int32)
        self.low = np.full(layers, -1, np.int64)
        self.counted = counted
        self._beside: list[Sketch] = []  # each longer than the next by far: none is merged again and again

    @property
    def layers(self) -> int:
        return len(self.low)

    def nothing_wanted(self) -> NDArray[np.int64]:
        """(2, layer) least and largest keys of nothing: ``wanted`` before a number is met."""
        wanted = np.empty((2, self.layers), np.int64)
        wanted[0], wanted[1] = _NOT_YET.max, _NOT_YET.min
        return wanted

    def reach(self, wanted: NDArray[np.int64]) -> None:
        """Be longer, so that the keys ``wanted`` have a place; but for layers that reach too far."""
        asks = wanted[1] >= wanted[0]
        low, high = wanted.copy()
        keys = self.counts.shape[2]
        there = self.low >= 0
        low = np.where(there, np.minimum(low, self.low), low)
        high = np.where(there, np.maximum(high, self.low + keys - 1), high)
        fits = asks & (high - low < self._most_keys)
        if not fits.any():
            return
        longest = 1 << int((high - low)[fits].max()).bit_length()
        keys_now = max(keys, min(self._most_keys, longest))
        centred = np.where(there, np.maximum(0, self.low - (keys_now - keys) // 2), self.low)
        start = np.where(fits, np.maximum(0, low - (keys_now - 1 - (high - low)) // 2), centred)
        if keys_now > keys:  # what is there stays where it is otherwise
            before, self.counts = self.counts, np.zeros((len(low), 2, keys_now), np.int32)
            for layer in np.flatnonzero(there):
                shift = self.low[layer] - start[layer]
                self.counts[layer, :, shift : shift + keys] = before[layer]
        self.low = start

    def has_place(self, wanted: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(layer,) whether all keys between those ``wanted`` have a place."""
        end = self.low + self.counts.shape[2]
        found: NDArray[np.bool_] = (self.low >= 0) & (wanted[0] >= self.low) & (wanted[1] < end)
        return found

    def add(
        self,
        low: NDArray[np.int64],
        length: NDArray[np.int64],
        start: NDArray[np.int64],
        counts: NDArray[np.int32],
    ) -> None:
        """Add histograms of other keys: from ``start`` on ``length`` positive and as many negative of ``counts``."""
        some = length > 0
        wanted = self.nothing_wanted()
        wanted[:, some] = low[some], low[some] + length[some] - 1
        if not self.has_place(wanted)[some].all():
            self.reach(wanted)
        has_place = self.has_place(wanted)
        without: list[Sketch] = []
        for layer in np.flatnonzero(some):
            here = slice(start[layer], start[layer] + 2 * length[layer])
            of_layer = counts[here].reshape(2, length[layer])
            if has_place[layer]:
                at = low[layer] - self.low[layer]
                self.counts[layer, :, at : at + length[layer]] += of_layer
            else:
                without.append(sketches.of_keys(int(layer), int(low[layer]), of_layer))
        if without:
            self.put_beside(sketches.chain(without))

    def put_beside(self, some: Sketch) -> None:
        """Add what has no place."""
        self._beside.append(some)
        while len(self._beside) > 1 and len(self._beside[-2].codes) < 2 * len(self._beside[-1].codes):
            self._beside[-2:] = [sketches.merge(*self._beside[-2:])]

    def sketch(self, zeros: NDArray[np.int64]) -> Sketch:
        """All that was counted, and (layer,) zeros."""
        found = sketches.from_keys(self.low, self.counts, zeros)
        for some in reversed(self._beside):
            found = sketches.merge(found, some)
        return found
