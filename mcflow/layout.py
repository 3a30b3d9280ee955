"""Putting datasets into an HDF5 group as the schema says: scales, units, descriptions, checksums."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mcflow.schema import Entry

if TYPE_CHECKING:
    import h5py

CHUNK_BYTES = 1 << 19


def create(group: h5py.Group, entry: Entry, shape: tuple[int, ...], dtype: Any) -> h5py.Dataset:
    """An empty dataset of that shape; the scales of its other dimensions must stand in the group already.

    Chunked with a checksum, so that damage is found when it is read; counts are compressed.
    """
    row = max(1, int(np.prod(shape[1:], dtype=np.int64))) * np.dtype(dtype).itemsize
    rows = max(1, CHUNK_BYTES // row)
    if rows < shape[0]:
        rows = 1 << (rows.bit_length() - 1)  # a power of two, as parts are: then no chunk lies in two of them
    is_count = entry.units == "counts"
    data = group.create_dataset(
        entry.name,
        shape,
        dtype,
        chunks=(min(rows, shape[0]), *shape[1:]),
        fletcher32=True,
        compression=1 if is_count else None,
        shuffle=is_count,
    )
    data.attrs["units"] = entry.units
    data.attrs["long_name"] = entry.long_name
    if entry.dims == (entry.name,):
        data.make_scale(entry.name)
    else:
        for axis, name in enumerate(entry.dims):
            data.dims[axis].attach_scale(group[name])
    return data


def put(group: h5py.Group, entry: Entry, values: NDArray[Any]) -> h5py.Dataset:
    """A dataset that holds ``values``."""
    data = create(group, entry, values.shape, values.dtype)
    data[...] = values
    return data


def put_index(group: h5py.Group, entry: Entry, length: int, first: int = 0) -> h5py.Dataset:
    """The scale of a dimension: first, first + 1, ..."""
    return put(group, entry, np.arange(first, first + length, dtype=np.int64))


def put_length(group: h5py.Group, entry: Entry, length: int) -> None:
    """A dimension that has a length and no values: nothing is stored, as netCDF does it."""
    import h5py

    scale = group.create_dataset(entry.name, (length,), np.int8, chunks=(length,), fletcher32=True)
    h5py.h5ds.set_scale(scale.id, f"This is a netCDF dimension but not a netCDF variable{length:10d}".encode())
    scale.attrs["units"] = entry.units
    scale.attrs["long_name"] = entry.long_name
