"""The laws that a weight may be drawn from: what theory, methods and devices ask of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mcflow.errors import InputError, nearest

Array = NDArray[np.float64]

# Standard deviation of a standard normal cut at +-2: what a truncated draw must be divided by.
TRUNCATED_STD = 0.87962566103423978


@dataclass(frozen=True)
class Distribution:
    """The law of the weights of a layer, scaled to entries of variance 1.

    ``excess_kurtosis`` is that of one entry; of dependent entries 0, and theory treats them apart. ``is_independent``:
    the entries are, so that a matrix may be made in any pieces. ``is_rotation_invariant``: W and W Q have one law for
    every orthogonal Q. ``is_continuous``: an entry has a density, hence its size too; else entries are signs, and sums
    of them may be exactly equal or 0. ``is_dear``: one number costs more time than reading it from memory again.
    ``wave`` is the characteristic function of an independent entry, and ``largest`` its largest size.

    All are symmetric about 0. Names stand in files, and are the keys of the kernels' tables.
    """

    name: str
    excess_kurtosis: float
    wave: Callable[[Array], Array] | None = field(repr=False)
    largest: float
    is_independent: bool = True
    is_rotation_invariant: bool = False
    is_continuous: bool = True
    is_dear: bool = False

    def __str__(self) -> str:
        return self.name

    @property
    def is_gaussian(self) -> bool:
        """Independent entries without a preferred direction are normal (Maxwell 1860), and no others are."""
        return self.is_independent and self.is_rotation_invariant


def _normal_wave(u: Array) -> Array:
    return np.exp(-0.5 * u * u)


def _uniform_wave(u: Array) -> Array:
    return np.asarray(np.sinc(math.sqrt(3.0) / math.pi * u))


def _truncated_wave(u: Array) -> Array:
    """exp(-v^2/2) Re erf((2 + i v) / sqrt(2)) / erf(sqrt(2)), v = u / TRUNCATED_STD; by Faddeeva's function."""
    from scipy.special import wofz

    v = u / TRUNCATED_STD
    cut = np.exp(-2.0 - 2.0j * v) * wofz((2.0j - v) / math.sqrt(2.0))
    return np.asarray((np.exp(-0.5 * v * v) - cut.real) / math.erf(math.sqrt(2.0)))


NORMAL = Distribution("normal", 0.0, _normal_wave, math.inf, is_rotation_invariant=True, is_dear=True)
UNIFORM = Distribution("uniform", -1.2, _uniform_wave, math.sqrt(3.0))
TRUNCATED_NORMAL = Distribution("truncated_normal", -0.63446328287, _truncated_wave, 2.0 / TRUNCATED_STD, is_dear=True)
RADEMACHER = Distribution("rademacher", -2.0, np.cos, 1.0, is_continuous=False)
ORTHOGONAL = Distribution(  # Haar's law: the only one of dependent entries that theory and kernels know
    "orthogonal", 0.0, None, math.inf, is_independent=False, is_rotation_invariant=True, is_dear=True
)

_BY_NAME = {law.name: law for law in (NORMAL, UNIFORM, TRUNCATED_NORMAL, RADEMACHER, ORTHOGONAL)}


def names() -> list[str]:
    """Every name that ``get`` knows."""
    return list(_BY_NAME)


def get(distribution: str | Distribution) -> Distribution:
    """The distribution of that name, or itself; InputError with the nearest names where there is none."""
    found = _BY_NAME.get(str(distribution))
    if found is None or (isinstance(distribution, Distribution) and found is not distribution):
        raise InputError(f"unknown distribution {str(distribution)!r}; {nearest(str(distribution), names())}")
    return found
