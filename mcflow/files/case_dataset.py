"""One group of a file as an xarray.Dataset whose data is read when it is used.

By h5py and the schema's names of dimensions: readers of netCDF look each of them up in the whole file, which takes
seconds for every case of a study of many.
"""

from __future__ import annotations

from typing import Any

import h5py
from h5py import h5d, h5ds, h5o
from xarray import Dataset, Variable
from xarray.backends import BackendArray
from xarray.backends.locks import HDF5_LOCK
from xarray.core import indexing

from mcflow.errors import InputError
from mcflow.files.attributes import attributes
from mcflow.files.schema import entry

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
    for name in group:
        found = h5o.open(group.id, name.encode())  # Group.items looks at every link twice
        if isinstance(found, h5d.DatasetID):
            item = h5py.Dataset(found)
            if not _is_only_a_length(found):
                variables[name] = _variable(item, entry(place, name).dims, about)
    return Dataset(variables, attrs=attributes(group))


def _variable(data: h5py.Dataset, dims: tuple[str, ...], about: str) -> Variable:
    lazy: Any = indexing.LazilyIndexedArray(_Lazy(data, about))
    return Variable(dims, indexing.MemoryCachedArray(indexing.CopyOnWriteArray(lazy)), attributes(data))


def _is_only_a_length(data: h5d.DatasetID) -> bool:
    return bool(h5ds.is_scale(data)) and h5ds.get_scale_name(data).startswith(_ONLY_A_LENGTH)
