"""Datasets of an HDF5 group: put there as the schema says (scales, units, descriptions, checksums), and read through.

By h5py's low-level calls: the file of the default study has a thousand small datasets, and the high level would spend
half a millisecond on each.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5ds, h5o, h5p, h5r, h5s, h5t
from numpy.typing import NDArray

from mcflow.files.schema import Entry

CHUNK_BYTES = 1 << 19
_CHECKSUM = 4  # bytes behind a chunk
_TEXT = h5py.string_dtype()
_TEXT_TYPE = h5t.py_create(_TEXT, logical=True)
_TEXT_IN_MEMORY = h5t.py_create(_TEXT)
_SCALES = h5py.vlen_dtype(
    h5py.ref_dtype
)  # of DIMENSION_LIST, as H5DSattach_scale makes it; REFERENCE_LIST has the next
_ATTACHED = np.dtype(
    {"names": ["dataset", "dimension"], "formats": [h5py.ref_dtype, np.int32], "offsets": [0, 8], "itemsize": 16}
)


def create(group: h5py.Group, entry: Entry, shape: tuple[int, ...], dtype: Any) -> h5d.DatasetID:
    """An empty dataset of that shape; the scales of its other dimensions must stand in the group already.

    Chunked with a checksum, so that damage is found when it is read; counts are compressed.
    """
    data = _create(group, entry, shape, np.dtype(dtype))
    if entry.dims == (entry.name,):
        h5ds.set_scale(data, entry.name.encode())
    else:
        for axis, name in enumerate(entry.dims):
            h5ds.attach_scale(data, h5d.open(group.id, name.encode()), axis)
    return data


def put(group: h5py.Group, entry: Entry, values: NDArray[Any]) -> None:
    """A dataset that holds ``values``."""
    create(group, entry, values.shape, values.dtype).write(h5s.ALL, h5s.ALL, np.ascontiguousarray(values))


def put_along(group: h5py.Group, scale: str, pairs: Sequence[tuple[Entry, NDArray[Any]]]) -> None:
    """Datasets of one dimension that hold values; ``scale`` stands in the group, and nothing is attached to it yet.

    The attributes that attach them are written as HDF5 would, which reads and writes the scale's again for each.
    """
    if not pairs:
        return
    at = h5d.open(group.id, scale.encode())
    scales = np.empty(1, _SCALES)
    scales[0] = np.array([h5r.create(group.id, scale.encode(), h5r.OBJECT)], h5py.ref_dtype)
    attached = np.empty(len(pairs), _ATTACHED)
    for number, (entry, values) in enumerate(pairs):
        assert entry.dims == (scale,)
        data = _create(group, entry, values.shape, values.dtype)
        _put_attribute(data, b"DIMENSION_LIST", scales)
        data.write(h5s.ALL, h5s.ALL, np.ascontiguousarray(values))
        attached[number] = h5r.create(group.id, entry.name.encode(), h5r.OBJECT), 0
    _put_attribute(at, b"REFERENCE_LIST", attached)


def _put_attribute(data: h5d.DatasetID, name: bytes, values: NDArray[Any]) -> None:
    in_file, in_memory = _types(values.dtype)
    h5a.create(data, name, in_file, _space(values.shape)).write(values, in_memory)


def put_index(group: h5py.Group, entry: Entry, length: int, first: int = 0) -> None:
    """The scale of a dimension: first, first + 1, ..."""
    put(group, entry, np.arange(first, first + length, dtype=np.int64))


def put_length(group: h5py.Group, entry: Entry, length: int) -> None:
    """A dimension that has a length and no values: nothing is stored, as netCDF does it."""
    scale = _create(group, entry, (length,), np.dtype(np.int8))
    h5ds.set_scale(scale, f"This is a netCDF dimension but not a netCDF variable{length:10d}".encode())


def columns(data: h5py.Dataset, layers: slice) -> NDArray[np.float64]:
    """(layer, network) values of some layers of (network, layer) rows that ``create`` made.

    Chunk by chunk, without a look at checksums: three times as quick as HDF5 and numpy make them.
    """
    networks, depth = data.shape
    rows = data.chunks[0]
    out = np.empty((layers.stop - layers.start, networks))
    stored = np.empty(8 * rows * depth + _CHECKSUM, np.uint8)
    chunk = stored[:-_CHECKSUM].view(np.float64).reshape(rows, depth)
    for start in range(0, networks, rows):
        stop = min(start + rows, networks)
        data.id.read_direct_chunk((start, 0), out=stored)
        out[:, start:stop] = chunk[: stop - start, layers].T
    return out


def read_through(file: h5py.File) -> Iterator[tuple[str, str]]:
    """The name of each dataset after every byte of it was read, a few at a time, and what went wrong, else empty."""
    names: list[bytes] = []
    h5o.visit(file.id, names.append)
    for name in names:
        try:
            data = h5o.open(file.id, name)
            if not isinstance(data, h5d.DatasetID):
                continue
            _read_through(data)
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            yield name.decode(), str(error)
        else:
            yield name.decode(), ""


def _read_through(data: h5d.DatasetID) -> None:
    kind, space = data.get_type(), data.get_space()
    rows, *rest = space.get_simple_extent_dims() or (1,)
    row = math.prod(rest) * kind.get_size()
    step = max(1, CHUNK_BYTES // max(1, row))
    buffer = np.empty(min(step, rows) * row, np.uint8)
    if step >= rows:
        data.read(h5s.ALL, h5s.ALL, buffer, kind)
        return
    for start in range(0, rows, step):
        shape = (min(step, rows - start), *rest)
        space.select_hyperslab((start, *(0 for _ in rest)), shape)
        data.read(h5s.create_simple(shape), space, buffer, kind)


def _create(group: h5py.Group, entry: Entry, shape: tuple[int, ...], dtype: np.dtype[Any]) -> h5d.DatasetID:
    properties = _properties(_chunk(shape, dtype.itemsize), entry.units == "counts")
    data = h5d.create(group.id, entry.name.encode(), h5t.py_create(dtype), _space(shape), properties)
    for name, text in ((b"units", entry.units), (b"long_name", entry.long_name)):
        h5a.create(data, name, _TEXT_TYPE, _space(())).write(_text(text), _TEXT_IN_MEMORY)
    return data


@functools.lru_cache(maxsize=1024)  # the schema's: each stands in every case
def _text(text: str) -> NDArray[Any]:
    return np.array(text, dtype=_TEXT)


@functools.cache
def _types(dtype: np.dtype[Any]) -> tuple[h5t.TypeID, h5t.TypeID]:
    """In the file, and in memory."""
    return h5t.py_create(dtype, logical=True), h5t.py_create(dtype)


@functools.lru_cache(maxsize=64)  # few shapes make up a whole file
def _properties(chunk: tuple[int, ...], is_count: bool) -> h5p.PropDCID:
    properties = h5p.create(h5p.DATASET_CREATE)
    properties.set_chunk(chunk)
    if is_count:
        properties.set_shuffle()
        properties.set_deflate(1)
    properties.set_fletcher32()
    return properties


@functools.lru_cache(maxsize=64)
def _space(shape: tuple[int, ...]) -> h5s.SpaceID:
    return h5s.create_simple(shape) if shape else h5s.create(h5s.SCALAR)


def _chunk(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    row = max(1, math.prod(shape[1:])) * itemsize
    rows = max(1, CHUNK_BYTES // row)
    if rows < shape[0]:
        rows = 1 << (rows.bit_length() - 1)  # a power of two, as parts are: then no chunk lies in two of them
    return (min(rows, shape[0]), *shape[1:])
