"""The rows of a user's file: arrays of NumPy, HDF5, MATLAB and netCDF, tables as text or Parquet.

Rows and columns count from one in every sentence.
"""

from __future__ import annotations

import importlib.util
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcflow import child_process, machine
from mcflow.errors import InputError
from mcflow.inputs import text_tables

Read = tuple[NDArray[Any], str]  # the array, and a note on how it was read

_LARGEST = float(np.finfo(np.float32).max)
_ADVICE = {
    ".pt": "numpy.save('x.npy', tensor.numpy())",
    ".pth": "numpy.save('x.npy', tensor.numpy())",
    ".pkl": "numpy.save('x.npy', array)",
    ".xlsx": "pandas.read_excel(FILE).to_csv('x.csv', index=False)",
    ".feather": "pandas.read_feather(FILE).to_parquet('x.parquet')",
}


def read(source: str, batch: int) -> tuple[NDArray[np.float64], str]:
    """The first ``batch`` rows of the array or table at PATH[:NAME], (batch, features), and how they were read.

    Axes behind the first are flattened. Raises InputError for a file that cannot be read, or has not so many rows of
    finite real numbers.
    """
    path, name = split(source)
    kind = kind_of(path)
    if kind not in _READERS:
        advice = f"; write one by {_ADVICE[kind]}" if kind in _ADVICE else ""
        raise InputError(
            f"inputs {source!r}: give gaussian, sphere, digits, or a file ending in .npy, .npz:NAME, .csv, .tsv, .txt, "
            f".parquet, .h5:DATASET, .mat:NAME or .nc:NAME{advice}"
        )
    if name and kind not in _NAMED:
        raise InputError(
            f"inputs {source!r}: {kind} files hold one array, without a name; "
            f"leave :{name} out ({', '.join(sorted(_NAMED))} take names)"
        )
    try:
        if not Path(path).exists():
            raise InputError(f"inputs {source!r}: there is no file {path!r}")
        if not Path(path).is_file():  # a device or a pipe may never end
            raise InputError(f"inputs {source!r}: {path!r} is not a file")
        with open(path, "rb"):
            pass
        values, note = _READERS[kind](path, name)
    except OSError as error:
        raise InputError(f"cannot read the inputs {path!r}: {error.strerror or error}") from None
    rows, flattened = _as_rows(np.asarray(values))
    note = "; ".join(filter(None, [note, flattened]))
    return _checked(rows, source, batch), f"{source}: {note}" if note else ""


def kind_of(path: str) -> str:
    """The ending that says what a file is, in small letters; of a compressed table that before its .gz."""
    ending = Path(path).suffix.lower()
    if ending != ".gz":
        return ending
    inner = Path(path).with_suffix("").suffix.lower()
    return inner if inner in _TEXT else ending


def split(source: str) -> tuple[str, str]:
    """Path and name of PATH[:NAME], both of which may have colons.

    The path is the longest that exists; where none does, the shortest with an ending that can be read.
    """
    places = [place for place, letter in enumerate(source) if letter == ":"]
    candidates = [(source, ""), *((source[:place], source[place + 1 :]) for place in reversed(places))]
    for path, name in candidates:
        try:
            if path and Path(path).exists():
                return path, name
        except OSError:  # a loop of links, a name too long: what reads it says so
            return source, ""
    known = [pair for pair in candidates if kind_of(pair[0]) in _READERS]
    return known[-1] if known else candidates[min(1, len(places))]


def _as_rows(values: NDArray[Any]) -> Read:
    """(inputs, features): images and the like flattened in C order, as ``torch.flatten(x, 1)`` does."""
    if values.ndim < 3 or values.size == 0:
        return values, ""
    rows = values.reshape(len(values), -1)
    return rows, f"shape {values.shape} flattened to {rows.shape}"


def _checked(values: NDArray[Any], source: str, batch: int) -> NDArray[np.float64]:
    if values.dtype.kind not in "fiub":
        raise InputError(f"inputs {source!r} hold {values.dtype}, not real numbers")
    if values.ndim == 1:
        raise InputError(
            f"inputs {source!r} have shape {values.shape}; it must be (inputs, features), "
            f"(1, {len(values)}) for one input: numpy.save('x.npy', x[None, :])"
        )
    if values.ndim != 2 or values.size == 0:
        raise InputError(f"inputs {source!r} have shape {values.shape}; it must be (inputs, features), neither 0")
    with np.errstate(over="ignore"):  # of a long double; what is infinite is refused below
        values = values.astype(np.float64)
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise InputError(
            f"inputs {source!r}: row {row + 1}, column {column + 1} is {values[row, column]}; "
            "every entry must be finite"
        )
    if np.abs(values).max() > _LARGEST:
        raise InputError(f"inputs {source!r} reach {np.abs(values).max():.3g}, beyond float32; scale them down")
    if batch > len(values):
        raise InputError(f"batch = {batch} is more than the {len(values)} inputs in {source!r}")
    return values[:batch]


def _npy(path: str, name: str) -> Read:
    headers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    try:
        with open(path, "rb") as file:  # (3, 0) is for arrays with named fields, which are no inputs
            kind = headers[np.lib.format.read_magic(file)](file)[2]
        if kind.kind not in "fiub":  # a map of items without bytes divides by zero inside NumPy
            raise InputError(f"{path!r} holds {kind}, not real numbers")
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    except InputError:
        raise
    except Exception:  # tokenize, ast and NumPy raise a dozen kinds on damaged headers, some with unfit advice
        raise InputError(
            f"cannot read {path!r} as .npy: it is damaged or no such file; write it with numpy.save"
        ) from None
    _refuse_large(mapped.size, path)
    return mapped, ""


def _npz(path: str, name: str) -> Read:
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {item.filename.removesuffix(".npy"): item.file_size for item in archive.infolist()}
        if not name and len(sizes) == 1:
            name = next(iter(sizes))
        if name not in sizes:
            raise InputError(f"say which array of {path!r}, as in {path}:NAME; it has {', '.join(sorted(sizes))}")
        _refuse_large(sizes[name] // 8, path)
        with np.load(path, allow_pickle=False) as loaded:
            return loaded[name], ""
    except InputError:
        raise
    except Exception:  # zipfile and NumPy raise a dozen kinds on damaged archives, some with unfit advice
        raise InputError(
            f"cannot read {path!r} as .npz: it is damaged, or holds what is no array of numbers; "
            "write it with numpy.savez"
        ) from None


def _text(path: str, name: str) -> Read:
    return text_tables.read(path, _most_bytes() // 8)


def _hdf5(path: str, name: str) -> Read:
    image = child_process.run("mcflow.inputs.hdf5_child", [path, name, str(_most_bytes())], repr(path))
    return child_process.received(image)


def _parquet(path: str, name: str) -> Read:
    if importlib.util.find_spec("pyarrow") is None:
        raise InputError(f"inputs {path!r} need pyarrow; pip install 'mcflow[parquet]', or write the table as .csv")
    image = child_process.run("mcflow.inputs.parquet_child", [path, str(_most_bytes())], repr(path))
    return child_process.received(image)


def _most_bytes() -> int:
    return machine.available_memory() // 2


def _refuse_large(entries: int, path: str) -> None:
    if entries * 8 > _most_bytes():
        raise InputError(f"{path!r} with {entries} entries does not fit into memory; give fewer rows")


_TEXT = (".csv", ".tsv", ".txt")
_NAMED = {".npz": _npz} | dict.fromkeys((".h5", ".hdf5", ".he5", ".mat", ".nc", ".nc4"), _hdf5)
_READERS = _NAMED | {".npy": _npy, ".parquet": _parquet} | dict.fromkeys(_TEXT, _text)
