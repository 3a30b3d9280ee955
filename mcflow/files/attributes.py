"""Attributes of a group or dataset of a file as plain values, those of HDF5's own dimension scales left out.

Text, which nearly all of them are, by h5py's low-level calls: a study of many cases has ten thousand of them.
"""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5t

_OF_HDF5 = {b"CLASS", b"NAME", b"REFERENCE_LIST", b"DIMENSION_LIST", b"_Netcdf4Dimid", b"_Netcdf4Coordinates"}
_TEXT = h5py.string_dtype()
_IN_FILE, _IN_MEMORY = h5t.py_create(_TEXT, logical=True), h5t.py_create(_TEXT)


def attributes(of: h5py.Group | h5py.Dataset) -> dict[str, Any]:
    """The attributes by name; lists of text as lists."""
    names: list[bytes] = []
    h5a.iterate(of.id, lambda name, *_: names.append(name))
    return {name.decode(): _value(of, name) for name in names if name not in _OF_HDF5}


def _value(of: h5py.Group | h5py.Dataset, name: bytes) -> Any:
    attribute = h5a.open(of.id, name)
    if attribute.shape == () and attribute.get_type() == _IN_FILE:
        found = np.zeros((), dtype=_TEXT)
        attribute.read(found, mtype=_IN_MEMORY)
        return bytes(found[()]).decode("utf-8", "surrogateescape")
    return _plain(of.attrs[name.decode()])


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype == object:
        return [str(each) for each in value.ravel()]
    return value
