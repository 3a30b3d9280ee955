"""The histograms' plan: how many networks are counted, and the unit of each layer's bins."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mcflow.kernels.recorded import BINS, REACH

COUNTED = 1 << 20  # numbers that are counted per layer: 0.1 % per cent-wide bin is plenty, and costs nothing
# Not 0.5: He weights give a variance of exactly 2, and at a tie round-off of the theory would choose the unit.
_ROUND_AT = 0.4391


@dataclass(frozen=True)
class Plan:
    """What the histograms of one case count.

    The networks 0 .. ``networks`` - 1 are counted. The unit of layer l is 2**exponent[l]; the exponents are
    (layer,) integers since a gradient's scale may lie far outside float32. Bins are 64 equal ones over +-6 units
    between two open ones.
    """

    networks: int
    preactivation_exponent: NDArray[np.int64]
    gradient_exponent: NDArray[np.int64]

    @property
    def preactivation_unit(self) -> NDArray[np.float64]:
        """(layer,) the unit of the bins of h; a power of two."""
        return _power_of_two(self.preactivation_exponent)

    @property
    def gradient_unit(self) -> NDArray[np.float64]:
        """(layer,) the unit of the bins of d; a power of two."""
        return _power_of_two(self.gradient_exponent)


def _power_of_two(exponent: NDArray[np.int64]) -> NDArray[np.float64]:
    """2**exponent; 0 or infinity where that is no float64, for layers that vanish or explode."""
    with np.errstate(over="ignore", under="ignore"):
        return np.ldexp(1.0, exponent)


def counted_networks(largest_width: int, batch: int, part: int) -> int:
    """How many of the first networks are counted: all of them lie in part 0."""
    return min(part, math.ceil(COUNTED / (largest_width * batch)))


def unit_exponent(log10_second_moment: NDArray[np.float64]) -> NDArray[np.int64]:
    """Exponents of the powers of two near the root of a second moment, from its (layer,) decimal logarithm.

    The logarithm, since the moment itself may lie outside float64; 0 where it is not a finite number.
    """
    usable = np.where(np.isfinite(log10_second_moment), log10_second_moment, 0.0)
    return np.floor(0.5 * usable / math.log10(2.0) + _ROUND_AT).astype(np.int64)


def edges(unit: NDArray[np.float64]) -> NDArray[np.float64]:
    """(layer, edge) edges of the bins for (layer,) units; the first is -inf and the last inf."""
    inner = np.linspace(-REACH, REACH, BINS - 1)
    out = np.empty((len(unit), BINS + 1))
    out[:, 0], out[:, -1] = -np.inf, np.inf
    with np.errstate(invalid="ignore", over="ignore"):
        out[:, 1:-1] = np.where(inner == 0.0, 0.0, inner * unit[:, np.newaxis])  # 0 times an infinite unit is 0 too
    return out
