"""The inputs of a case: drawn from the seed, scikit-learn's digits, or the rows of a user's file."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mcflow import machine
from mcflow.errors import InputError, option
from mcflow.inputs import user_files
from mcflow.model.case import Case

DRAWN = ("gaussian", "sphere")
_STREAM = 0x696E70757473  # the second word of the key: no other use of the seed shares it
# Between raw inputs of a batch, which share one power of two: their squares, relative to each other, stay in float32.
WIDEST_SPREAD = 2.0**33

Inputs = NDArray[np.float64]


def inputs_of(case: Case, seed: int) -> Inputs:
    """The (batch, features) inputs of a case, as ``read`` gives them."""
    return read(case, seed)[0]


def read(case: Case, seed: int) -> tuple[Inputs, str]:
    """The (batch, features) inputs of a case, each of second moment 1 unless the case is raw, and how a file was read.

    The first ``batch`` rows of a file, a seeded choice of the digits, or draws that depend on nothing but the seed.
    Raises InputError where they cannot be had, or hold what is not a finite real number.
    """
    if case.inputs in DRAWN:
        return _drawn(case, seed), ""
    note = ""
    if case.inputs == "digits":
        values = _digits(case.batch, seed)
    else:
        values, note = user_files.read(case.inputs, case.batch)
    if case.features not in (None, values.shape[1]):
        raise InputError(
            f"inputs {case.inputs!r} have {values.shape[1]} features, not {case.features}; "
            f"leave {option('features')} out"
        )
    return (_of_like_sizes(values, case.inputs) if case.raw else _standardised(values, case.inputs)), note


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
    features = case.features_or_width
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
        other = option("inputs", "gaussian")
        raise InputError(f"inputs 'digits' need scikit-learn; pip install 'mcflow[data]', or give {other}")
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
            f"input {row + 1} of {source!r} is all zeros and has no scale; "
            f"leave it out, or give {option('raw', True)} to take it as it is"
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
                f"inputs {low + 1} and {high + 1} of {source!r} reach {largest[low]:.3g} and {largest[high]:.3g}; "
                f"those of one batch may differ by a factor of 2^33: leave {option('raw')} out, or make them cases of "
                "their own"
            )
    return values
