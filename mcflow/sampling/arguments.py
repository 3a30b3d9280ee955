"""What both devices tell their kernels of a case, as plain numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mcflow.model.case import Case

# In a scale of 2^+-32 an input needs no exponent.
PLAIN_EXPONENT = 32


def split(std: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Standard deviations as mantissa and exponent, so that extreme ones stay inside float32; plain ones keep 2^0."""
    exponent = np.frexp(std)[1].astype(np.int64)
    exponent[np.abs(exponent) < PLAIN_EXPONENT] = 0
    return np.ldexp(std, -exponent), exponent


def group_of(case: Case) -> int:
    """Consecutive inputs within which cosines are taken: pairs that were made as such, else all."""
    return 2 if case.correlation is not None else max(2, case.batch)
