"""What both devices tell their kernels of a case, as plain numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mcflow.activations.registry import Activation
    from mcflow.model.case import Case

# In a scale of 2^+-32 an input needs no exponent.
PLAIN_EXPONENT = 32


def split(std: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Standard deviations as mantissa and exponent, so that extreme ones stay inside float32; plain ones keep 2^0."""
    exponent = np.frexp(std)[1].astype(np.int64)
    exponent[np.abs(exponent) < PLAIN_EXPONENT] = 0
    return np.ldexp(std, -exponent), exponent


def exponent_of(size: float) -> int:
    """The power of two that numbers of this size leave outside their float32 ones; 0 for plain sizes and for 0."""
    exponent = math.frexp(size)[1]
    return 0 if abs(exponent) < PLAIN_EXPONENT else exponent


def parameter_of(activation: Activation) -> np.float32:
    """The parameter of an activation, 0 where it takes none."""
    return np.float32(0.0 if math.isnan(activation.parameter) else activation.parameter)


def group_of(case: Case) -> int:
    """Consecutive inputs within which cosines are taken: pairs that were made as such, else all."""
    return 2 if case.correlation is not None else max(2, case.batch)
