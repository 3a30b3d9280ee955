"""One group of a file as an xarray.Dataset whose data is read when it is used.

By h5py and the schema's names of dimensions: readers of netCDF look each of them up in the whole file, which takes
seconds for every case of a study of many.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from xarray import Dataset, Variable
from xarray.backends import BackendArray
from xarray.backends.locks import HDF5_LOCK
from xarray.core import indexing

from mcflow.errors import InputError
from mcflow.files.schema import entry

if TYPE_CHECKING:
    import h5py

_OF_HDF5 = {"CLASS", "NAME", "REFERENCE_LIST", "DIMENSION_LIST", "_Netcdf4Dimid", "_Netcdf4Coordinates"}
_ONLY_A_LENGTH = b"This is a netCDF dimension but not a netCDF variable"


class _Lazy(BackendArray):
    """A dataset of the file, read where it is indexed."""

    def __init__(self, data: h5py.Dataset, about: str) -> None:
        self.data, self.about = data, about
        self.shape, self.dtype = data.shape, data.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        outer = indexing.IndexingSupport.OUTER_1VECTOR
        return indexing.explicit_indexing_adapter(key, self.shape, outer, self._read)

    def _read(self, key: Any) -> Any:
        with HDF5_LOCK:
            if not self.data:
                raise InputError(f"{self.about} is closed; read what is needed before that, or open it again")
            return self.data[key]


def dataset_of(group: h5py.Group, place: str, about: str) -> Dataset:
    """The datasets of ``group``, which is a ``place`` of the schema (a key of ENTRIES); ``about`` names the file."""
    variables = {}
    for name, item in group.items():
        if hasattr(item, "shape") and not _is_only_a_length(item):
            variables[name] = _variable(item, entry(place, name).dims, about)
    return Dataset(variables, attrs=attributes(group))


def _variable(data: h5py.Dataset, dims: tuple[str, ...], about: str) -> Variable:
    lazy: Any = indexing.LazilyIndexedArray(_Lazy(data, about))
    return Variable(dims, indexing.MemoryCachedArray(indexing.CopyOnWriteArray(lazy)), attributes(data))


def _is_only_a_length(data: h5py.Dataset) -> bool:
    return bytes(data.attrs.get("NAME", b"")).startswith(_ONLY_A_LENGTH)


def attributes(of: h5py.Group | h5py.Dataset) -> dict[str, Any]:
    """The attributes of a group or dataset, those of HDF5's own dimension scales left out; lists of text as lists."""
    return {name: _plain(of.attrs[name]) for name in of.attrs if name not in _OF_HDF5}


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype == object:
        return [str(each) for each in value.ravel()]
    return value
