"""Numbers beyond float64: 0 or infinity as plain values, and beside them the logarithm to base 2 of their size.

A pair (values, log2) of equal shapes; ``log2`` is None where no value has left the normal range of float64. A value
that has left it keeps its sign in the plain 0 or infinity.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SMALLEST = float(np.finfo(np.float64).smallest_normal)  # below it digits are lost
LN2, LOG10_2 = math.log(2.0), math.log10(2.0)
SUFFIX = "_log2"
# An exponent at which a number is surely 0 or infinite, with any other factor that a float64 holds.
_FAR = 5000
# Numbers that are compared carry an exponent beyond 2^+-_MIDDLE: those next to them then lie within 2^+-_REACH.
_MIDDLE, _REACH = 500, 1000
_BIAS, _FRACTION_BITS = 1023, 52  # of the exponent of a float64


def log2_of(values: Floats) -> Floats:
    """Logarithms to base 2 of the sizes of plain values; -inf for 0, NaN where there is no number."""
    with np.errstate(divide="ignore"):
        return np.log2(np.abs(values))


def lost(values: Floats, log2: Floats) -> NDArray[np.bool_]:
    """Where a number has left the normal range of float64, so that its logarithm alone is right."""
    size = np.abs(values)
    return np.isfinite(log2) & ((size < SMALLEST) | (size == np.inf))


def needed(values: Floats, log2: Floats) -> Floats | None:
    """The logarithms, or None where the plain values say it all."""
    return log2 if lost(values, log2).any() else None


def from_powers(mantissas: Floats, exponents: Floats) -> tuple[Floats, Floats | None]:
    """The pair for mantissas times 2**exponents, whole numbers of any size; each number on its own."""
    with np.errstate(over="ignore", under="ignore"):
        values = _times_powers(mantissas, exponents)
    size = np.abs(values)
    if size.min(initial=np.inf) >= SMALLEST and size.max(initial=0.0) < np.inf:  # nearly always, and soon told
        return values, None
    away = ((size < SMALLEST) | (size == np.inf)) & (mantissas != 0.0) & np.isfinite(mantissas)
    if not away.any():
        return values, None
    log2 = log2_of(values)
    log2[away] = log2_of(mantissas[away]) + np.broadcast_to(exponents, mantissas.shape)[away]
    return values, log2


def _times_powers(mantissas: Floats, exponents: Floats) -> Floats:
    """Mantissas times 2**exponents, rounded once: by factors where those are numbers, several times as quick."""
    if np.max(exponents, initial=0) <= _REACH and np.min(exponents, initial=0) >= -_REACH:
        bits = np.array(exponents, np.int64)
        bits += _BIAS
        bits <<= _FRACTION_BITS
        return mantissas * bits.view(np.float64)
    return np.ldexp(mantissas, np.clip(exponents, -_FAR, _FAR).astype(np.int64))


def in_units(values: Floats, log2: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """(network, layer) numbers as multiples of a power of two of each layer, that of its largest, and its exponent."""
    finite = np.where(np.isfinite(log2), log2, -np.inf).max(axis=0, initial=-np.inf)
    exponent = np.where(np.isfinite(finite), np.floor(finite), 0.0).astype(np.int64)
    with np.errstate(over="ignore", under="ignore"):
        plain = np.ldexp(values, np.clip(-exponent, -_FAR, _FAR))
        away = np.copysign(np.exp2(np.clip(log2 - exponent, -_FAR, 2.0)), values)
    return np.where(lost(values, log2), away, plain), exponent


def logarithms(values: Floats, log2: Floats | None) -> Floats:
    """Natural logarithms of positive numbers, NaN for all others."""
    logs = np.log(np.where(values > 0, values, np.nan))
    if log2 is None:
        return logs
    return np.where(lost(values, log2) & ~np.signbit(values), log2 * LN2, logs)


def is_zero(values: Floats, log2: Floats | None) -> NDArray[np.bool_]:
    """Where a number is 0 itself, and not only too small for float64."""
    zero = values == 0
    return zero if log2 is None else zero & ~np.isfinite(log2)


def quantiles(values: Floats, log2: Floats, probabilities: Sequence[float]) -> tuple[Floats, Floats]:
    """The quantiles of numbers (network,), linear between ranks as numpy.quantile: a pair (probability,)."""
    sign = np.where(np.signbit(values), -1.0, 1.0)
    order = np.lexsort((sign * log2, sign))
    values, log2 = values[order, np.newaxis], log2[order, np.newaxis]
    found = []
    for probability in probabilities:
        rank = probability * (len(values) - 1)
        low = int(rank)
        ends = slice(low, min(low + 2, len(values)))
        mantissas, exponent = in_units(values[ends], log2[ends])
        between = mantissas[0] + (rank - low) * (mantissas[-1] - mantissas[0])
        found.append((float(between[0]), float(exponent[0])))
    mantissa, exponents = np.array(found).T
    plain, logs = from_powers(mantissa, exponents)
    return plain, log2_of(plain) if logs is None else logs


def partner(of: Any, name: str) -> Floats | None:
    """The logarithms beside quantity or statistic ``name`` of a dataset or mapping; None where there are none."""
    return np.asarray(of[name + SUFFIX]) if name + SUFFIX in of else None


def log10_of(of: Any, name: str) -> Floats:
    """Decimal logarithms of the sizes of quantity or statistic ``name`` of a dataset or mapping."""
    log2 = partner(of, name)
    return LOG10_2 * (log2_of(np.asarray(of[name], dtype=np.float64)) if log2 is None else log2)


def natural_logarithms(of: Any, name: str) -> Floats:
    """Natural logarithms of quantity or statistic ``name`` where it is positive, else NaN."""
    return logarithms(np.asarray(of[name], dtype=np.float64), partner(of, name))


def carried(values: Floats, log2: Floats | None, exponent: NDArray[np.int64]) -> Floats:
    """Numbers as multiples of 2**exponent; where that is not 0 or a number has left float64, within 2^+-1000 of it."""
    away = np.broadcast_to(exponent != 0, values.shape)
    if log2 is not None:
        away = away | lost(values, log2)
    if not away.any():
        return values
    logs = log2_of(values) if log2 is None else log2
    moved = np.copysign(np.exp2(np.clip(logs - exponent, -_REACH, _REACH)), values)
    return np.where(away & np.isfinite(logs), moved, values)


def unit_of(log2: Floats) -> NDArray[np.int64]:
    """The exponent that numbers of such a size are best compared in: 0 in the middle of float64."""
    return np.where(np.isfinite(log2) & (np.abs(log2) > _MIDDLE), np.floor(log2), 0.0).astype(np.int64)


def text(mantissa: float, exponent: int = 0, digits: int = 4) -> str:
    """mantissa 2**exponent to so many digits, or as ``10^421.72`` where that has left float64."""
    value, log2 = (x if x is None else float(x[0]) for x in from_powers(np.array([mantissa]), np.array([exponent])))
    if log2 is None:
        return f"{value:.{digits}g}"
    return f"{'-' if mantissa < 0 else ''}10^{LOG10_2 * log2:.2f}"


def power_of_ten(log10: float, digits: int = 4) -> str:
    """A positive number by its decimal logarithm, the same way."""
    if not math.isfinite(log10):
        return "0" if log10 < 0 else f"{log10:g}"
    return f"{10.0**log10:.{digits}g}" if abs(log10) < 300.0 else f"10^{log10:.2f}"


def plain(mantissa: float, exponent: int) -> float:
    """mantissa 2**exponent as a float64: 0 or infinity where it leaves that."""
    return float(from_powers(np.array([mantissa]), np.array([exponent]))[0][0])


def log10(mantissa: float, exponent: int) -> float:
    """The decimal logarithm of the size of mantissa 2**exponent."""
    return LOG10_2 * (float(log2_of(np.array(mantissa))) + exponent)
