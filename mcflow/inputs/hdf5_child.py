"""Child process of ``user_files``: prints one dataset of an HDF5 file (also MATLAB 7.3, netCDF 4), with a note."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcflow import child_process
from mcflow.errors import InputError, nearest

_OTHER_KINDS = {
    b"MATLAB 5.0": "a MATLAB file before 7.3; save it with save('FILE.mat', 'X', '-v7.3'), "
    "or convert it: numpy.save('x.npy', scipy.io.loadmat('FILE.mat')['X'])",
    b"CDF": "a netCDF 3 file; convert it with nccopy -k nc4, or numpy.save('x.npy', xarray.open_dataset(...)[NAME])",
}
_NUMBERS_OF_MATLAB = ("double", "single", "logical", "int8", "int16", "int32", "int64")


def read(path: str, name: str, limit: int) -> tuple[NDArray[Any], str]:
    """Dataset ``name`` (or the only one, where that is empty) of at most ``limit`` bytes, and how it was read.

    Raises InputError where there is no such array of numbers.
    """
    import h5py

    _refuse_other_kinds(path)
    try:
        with h5py.File(path, "r", locking=False) as file:
            return _dataset(file, path, name, limit)
    except InputError:
        raise
    except Exception as error:  # h5py raises a dozen kinds on damaged files, SystemError among them
        raise InputError(f"cannot read {path!r} as HDF5: {error}; the file is damaged or of another kind") from None


def _refuse_other_kinds(path: str) -> None:
    with open(path, "rb") as file:
        start = file.read(16)
    for mark, words in _OTHER_KINDS.items():
        if start.startswith(mark):
            raise InputError(f"{path!r} is {words}")
    if Path(path).suffix.lower() == ".mat" and start[:4] != b"MATL" and not start.startswith(b"\x89HDF"):
        raise InputError(f"{path!r} is {_OTHER_KINDS[b'MATLAB 5.0']}")


def _dataset(file: Any, path: str, name: str, limit: int) -> tuple[NDArray[Any], str]:
    import h5py

    found = _names(file)
    wanted = [each for each in found if not _is_axis(file.get(each))]
    name = name.strip("/") or (wanted[0] if len({file[each] for each in wanted}) == 1 else "")  # links to one are one
    if not name:
        raise InputError(f"say which dataset of {path!r}, as in {path}:NAME; it has {', '.join(wanted) or 'none'}")
    link = file.get(name, getlink=True) if name in file or name in found else None
    data = file.get(name)
    if data is None and link is not None:
        raise InputError(f"{path}:{name} is a link to {link.path!r}, which is not there")
    if isinstance(data, h5py.Group) and "MATLAB_sparse" in data.attrs:
        raise InputError(f"{path}:{name} is a sparse matrix; save full({name})")
    if not isinstance(data, h5py.Dataset):
        raise InputError(f"{path!r} has no dataset {name!r}; {nearest(name, wanted or ['none'])}")
    _refuse_unfit(data, f"{path}:{name}")
    if data.size * 8 > limit:
        raise InputError(f"{path}:{name} of shape {data.shape} does not fit into memory; give fewer rows")
    values = data[()]
    fill = data.attrs.get("_FillValue")
    if fill is not None and np.any(values == fill):
        raise InputError(f"{path}:{name} has missing values ({np.ravel(fill)[0]}); leave those rows out")
    if "MATLAB_class" not in data.attrs:
        return values, ""
    # MATLAB keeps the first axis contiguous: HDF5 has its axes from the last to the first
    return values.T, f"axes as in MATLAB, {' x '.join(map(str, values.T.shape))}"


def _names(file: Any) -> list[str]:
    """Every dataset's path, also those that links lead to; MATLAB's own tables and sparse matrices left out."""
    every: list[str] = []
    file.visititems_links(lambda name, link: every.append(name))  # no more here: h5py crashes on errors in it
    return [name for name in every if not name.startswith("#") and _is_array(file.get(name))]


def _is_array(data: Any) -> bool:
    import h5py

    return isinstance(data, h5py.Dataset) and "MATLAB_sparse" not in data.parent.attrs


def _is_axis(data: Any) -> bool:
    """Whether a dataset is the scale of an axis (netCDF's coordinates)."""
    return _text(data.attrs.get("CLASS", "")) == "DIMENSION_SCALE"


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _refuse_unfit(data: Any, where: str) -> None:
    if data.shape is None or "MATLAB_empty" in data.attrs:
        raise InputError(f"{where} is empty: it holds no array; give one of (inputs, features)")
    kind = _text(data.attrs.get("MATLAB_class", "double"))
    if kind.replace("uint", "int") not in _NUMBERS_OF_MATLAB:
        raise InputError(f"{where} is a {kind} of MATLAB, not an array of real numbers")
    if data.dtype.kind not in "fiub":
        raise InputError(f"{where} holds {data.dtype}, not real numbers")
    packed = [name for name in ("scale_factor", "add_offset") if name in data.attrs]
    if packed:
        raise InputError(
            f"{where} is packed ({', '.join(packed)}); unpack it with xarray: "
            f"numpy.save('x.npy', xarray.open_dataset(FILE)[NAME])"
        )


def main() -> int:
    path, name, limit = sys.argv[1:]
    return child_process.serve(lambda: read(path, name, int(limit)))


if __name__ == "__main__":
    sys.exit(main())
