"""The inputs of a case: drawn from the seed, scikit-learn's digits, or the rows of a user's file."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcflow import children, machine
from mcflow.errors import InputError
from mcflow.study import Case

DRAWN = ("gaussian", "sphere")
_STREAM = 0x696E70757473  # the second word of the key: no other use of the seed shares it
_LARGEST = float(np.finfo(np.float32).max)
# Between raw inputs of a batch, which share one power of two: their squares, relative to each other, stay in float32.
WIDEST_SPREAD = 2.0**33

Inputs = NDArray[np.float64]


def inputs_of(case: Case, seed: int) -> Inputs:
    """The (batch, features) inputs of a case, each of second moment 1 unless the case is raw.

    The first ``batch`` rows of a file, a seeded choice of the digits, or draws that depend on nothing but the seed.
    Raises InputError where they cannot be had, or hold what is not a finite real number.
    """
    if case.inputs in DRAWN:
        return _drawn(case, seed)
    if case.inputs == "digits":
        values = _digits(case.batch, seed)
    else:
        values = _from_file(case.inputs, case.batch)
    if case.features not in (None, values.shape[1]):
        raise InputError(
            f"inputs {case.inputs!r} have {values.shape[1]} features, not {case.features}; leave --features out"
        )
    return _of_like_sizes(values, case.inputs) if case.raw else _standardised(values, case.inputs)


def have_digits() -> bool:
    """Whether scikit-learn, which brings the digits, is installed; it is not imported to find out."""
    return importlib.util.find_spec("sklearn") is not None


def digest(inputs: list[Inputs]) -> str:
    """SHA-256 in hex of the shapes and bytes of a study's inputs, in the order of its cases."""
    found = hashlib.sha256()
    for values in inputs:
        found.update(repr(values.shape).encode())
        found.update(np.ascontiguousarray(values, dtype="<f8").tobytes())
    return found.hexdigest()


def _generator(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=np.array([seed, _STREAM], dtype=np.uint64)))


def _drawn(case: Case, seed: int) -> Inputs:
    features = case.widths[0] if case.features is None else case.features
    if case.batch * features * 8 * 3 > machine.available_memory():
        raise InputError(f"{case.batch} inputs of {features} features do not fit into memory; give fewer")
    values = _generator(seed).standard_normal((case.batch, features))
    length = np.linalg.norm(values, axis=1, keepdims=True)
    if case.inputs == "sphere" or not case.raw:
        length = np.full_like(length, np.sqrt(features))
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    if case.correlation is not None:
        unit[1::2] = _at_cosine(unit[::2], unit[1::2], case.correlation)
    return unit * length


def _at_cosine(first: Inputs, second: Inputs, cosine: float) -> Inputs:
    """Unit vectors at that cosine to ``first``, in the planes of ``first`` and ``second``."""
    across = second - (first * second).sum(axis=1, keepdims=True) * first
    across -= (first * across).sum(axis=1, keepdims=True) * first  # twice is enough (Kahan)
    length = np.linalg.norm(across, axis=1, keepdims=True)
    sine = np.sqrt((1.0 - cosine) * (1.0 + cosine))
    if first.shape[1] < 2:
        if sine != 0:
            raise InputError(f"correlation {cosine} needs inputs of at least 2 features; these have 1")
        return cosine * first
    return cosine * first + sine * (across / length)


def _digits(batch: int, seed: int) -> Inputs:
    if not have_digits():
        raise InputError("inputs 'digits' need scikit-learn; pip install 'mcflow[data]', or give --inputs gaussian")
    every = _every_digit()
    if batch > len(every):
        raise InputError(f"batch = {batch} is more than the {len(every)} digits there are")
    return every[np.sort(_generator(seed).choice(len(every), batch, replace=False))]


def _every_digit() -> Inputs:
    """The 1797 digits, (1797, 64), from scikit-learn's own table: to import all of it takes seconds."""
    package = importlib.util.find_spec("sklearn")
    for folder in (package and package.submodule_search_locations) or ():
        table = Path(folder) / "datasets" / "data" / "digits.csv.gz"
        if table.is_file():
            return np.loadtxt(table, delimiter=",")[:, :-1]  # the last column is the digit's name
    from sklearn.datasets import load_digits  # where a release keeps its table elsewhere

    return np.asarray(load_digits().data, np.float64)


def _standardised(values: Inputs, source: str) -> Inputs:
    largest = np.abs(values).max(axis=1, keepdims=True)
    if not largest.all():
        row = int(np.flatnonzero(largest == 0)[0])
        raise InputError(
            f"input {row} of {source!r} is all zeros and has no scale; leave it out, or give --raw to take it as it is"
        )
    scaled = values / largest
    return scaled / np.sqrt((scaled**2).mean(axis=1, keepdims=True))


def _of_like_sizes(values: Inputs, source: str) -> Inputs:
    """The inputs as they are; refused where two that are not zero differ in size beyond what a batch can carry."""
    largest = np.abs(values).max(axis=1)
    known = np.flatnonzero(largest)
    if len(known):
        low, high = known[np.argmin(largest[known])], known[np.argmax(largest[known])]
        if largest[high] > WIDEST_SPREAD * largest[low]:
            raise InputError(
                f"inputs {low} and {high} of {source!r} reach {largest[low]:.3g} and {largest[high]:.3g}; those of one "
                f"batch may differ by a factor of 2^33: leave --raw out, or make them cases of their own"
            )
    return values


def _from_file(source: str, batch: int) -> Inputs:
    path, name = _split(source)
    readers = {".npy": _npy, ".npz": _npz, ".csv": _csv, ".h5": _hdf5, ".hdf5": _hdf5, ".he5": _hdf5}
    reader = readers.get(Path(path).suffix.lower())
    if reader is None:
        raise InputError(
            f"inputs {source!r}: give gaussian, sphere, digits, or a file ending in .npy, .npz, .csv or .h5:DATASET"
        )
    if name and reader in (_npy, _csv):
        raise InputError(
            f"inputs {source!r}: {Path(path).suffix} files hold one array, without a name; "
            f"leave :{name} out (.npz and .h5 take names)"
        )
    try:
        if not Path(path).exists():
            raise InputError(f"inputs {source!r}: there is no file {path!r}")
        if not Path(path).is_file():  # a device or a pipe may never end
            raise InputError(f"inputs {source!r}: {path!r} is not a file")
        with open(path, "rb"):
            pass
        values = np.asarray(reader(path, name))
    except OSError as error:
        raise InputError(f"cannot read the inputs {path!r}: {error.strerror or error}") from None
    return _checked(values, source, batch)


def _split(source: str) -> tuple[str, str]:
    try:
        whole = Path(source).exists()
    except OSError:  # a loop of links, a name too long: what reads it says so
        whole = True
    if whole or ":" not in source:
        return source, ""
    path, _, name = source.rpartition(":")
    return path, name


def _checked(values: NDArray[Any], source: str, batch: int) -> Inputs:
    if values.dtype.kind not in "fiub":
        raise InputError(f"inputs {source!r} hold {values.dtype}, not real numbers")
    if values.ndim == 1:
        raise InputError(
            f"inputs {source!r} have shape {values.shape}; it must be (inputs, features), "
            f"(1, {len(values)}) for one input"
        )
    if values.ndim != 2 or values.size == 0:
        raise InputError(f"inputs {source!r} have shape {values.shape}; it must be (inputs, features), neither 0")
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise InputError(
            f"inputs {source!r}: row {row}, column {column} is {values[row, column]}; every entry must be finite"
        )
    if np.abs(values).max() > _LARGEST:
        raise InputError(f"inputs {source!r} reach {np.abs(values).max():.3g}, beyond float32; scale them down")
    if batch > len(values):
        raise InputError(f"batch = {batch} is more than the {len(values)} inputs in {source!r}")
    return values[:batch]


def _npy(path: str, name: str) -> Any:
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
    return mapped


def _npz(path: str, name: str) -> Any:
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {item.filename.removesuffix(".npy"): item.file_size for item in archive.infolist()}
        if not name and len(sizes) == 1:
            name = next(iter(sizes))
        if name not in sizes:
            raise InputError(f"say which array of {path!r}, as in {path}:NAME; it has {', '.join(sorted(sizes))}")
        _refuse_large(sizes[name] // 8, path)
        with np.load(path, allow_pickle=False) as loaded:
            return loaded[name]
    except InputError:
        raise
    except Exception:  # zipfile and NumPy raise a dozen kinds on damaged archives, some with unfit advice
        raise InputError(
            f"cannot read {path!r} as .npz: it is damaged, or holds what is no array of numbers; "
            "write it with numpy.savez"
        ) from None


def _csv(path: str, name: str) -> Any:
    _refuse_large(Path(path).stat().st_size // 2, path)
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
        first = text.partition("\n")[0]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an empty file warns; the shape check has the sentence
            return np.loadtxt(io.StringIO(text), delimiter=",", ndmin=2, skiprows=0 if _is_numbers(first) else 1)
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path!r} as .csv: {error}") from None


def _is_numbers(line: str) -> bool:
    try:
        [float(word) for word in line.partition("#")[0].split(",")]
    except ValueError:
        return False
    return True


def _hdf5(path: str, name: str) -> Any:
    limit = machine.available_memory() // 2
    image = children.run("mcflow.hdf5_inputs", [path, name, str(limit)], repr(path))
    return np.load(io.BytesIO(image), allow_pickle=False)


def _refuse_large(entries: int, path: str) -> None:
    if entries * 8 > machine.available_memory() // 2:
        raise InputError(f"{path!r} with {entries} entries does not fit into memory; give fewer rows")
