"""The kept rows of a case, a few layers at a time: a file of any size is judged and drawn without being held whole."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mcflow.statistics import magnitudes

if TYPE_CHECKING:
    import xarray

Floats = NDArray[np.float64]

BLOCK = 1 << 23  # bytes of one quantity that are read at once; a chunk of the file holds all layers of some networks
BLOCKS = 12  # that are kept: those of all quantities in the same layers


def blocks_of_layers(dataset: xarray.Dataset, quantity: str) -> Iterator[slice]:
    """Consecutive layers, counted from 0, whose rows are read together."""
    networks, depth = dataset.variables[quantity].shape  # dataset[...] looks for coordinates, a hundred times as long
    step = max(1, BLOCK // (8 * max(1, networks)))
    for start in range(0, depth, step):
        yield slice(start, min(start + step, depth))


def values(dataset: xarray.Dataset, quantity: str, layers: slice) -> Floats:
    """(network, layer) plain values in some layers."""
    return np.asarray(dataset.variables[quantity][:, layers].values, dtype=np.float64)


def logarithms_beside(dataset: xarray.Dataset, quantity: str, layers: slice) -> Floats | None:
    """(network, layer) logarithms to base 2, where the file has them: of values beyond float64."""
    name = quantity + magnitudes.SUFFIX
    return values(dataset, name, layers) if name in dataset else None


def natural_logarithms(dataset: xarray.Dataset, quantity: str, layers: slice) -> Floats:
    """(network, layer) natural logarithms, NaN where not positive."""
    return magnitudes.logarithms(values(dataset, quantity, layers), logarithms_beside(dataset, quantity, layers))


def numbers(dataset: xarray.Dataset, quantity: str) -> NDArray[np.int64]:
    """(layer,) how many networks have a number."""
    found = [
        np.count_nonzero(~np.isnan(values(dataset, quantity, layers)), axis=0)
        for layers in blocks_of_layers(dataset, quantity)
    ]
    return np.concatenate(found)


class Columns:
    """(network,) columns of one case; the blocks read last are kept, so that neighbours are read once."""

    def __init__(self, dataset: xarray.Dataset) -> None:
        self._dataset = dataset
        self._blocks: OrderedDict[tuple[str, int], Floats] = OrderedDict()

    def column(self, quantity: str, layer: int) -> Floats:
        """The values in one layer, counted from 0."""
        layers = next(each for each in blocks_of_layers(self._dataset, quantity) if layer < each.stop)
        key = quantity, layers.start
        if key not in self._blocks:
            self._blocks[key] = values(self._dataset, quantity, layers)
            if len(self._blocks) > BLOCKS:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(key)
        return self._blocks[key][:, layer - layers.start]
