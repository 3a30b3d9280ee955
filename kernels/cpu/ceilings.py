"""What one core can do at best: words of the generator and numbers of a distribution, made in cache and left there."""

import numpy as np
from numba import uint64

from ._compile import call, kernel
from .bodies import philox


@kernel()
def make_words(out, times):
    """Fill a uint32 array (4, groups) with Philox words ``times`` times; returns how many words were made."""
    groups = out.shape[1]
    for t in range(times):
        for g in range(groups):
            a, b, c, d = philox(uint64(g), uint64(t), uint64(1), uint64(2), uint64(3), uint64(4))
            out[0, g], out[1, g], out[2, g], out[3, g] = a, b, c, d
    return times * out.size


@kernel()
def make_numbers(address, out, times):
    """Fill a flat float32 array with numbers of the distribution at ``address`` ``times`` times; returns how many."""
    for t in range(times):
        call(address, (out, out.size, uint64(t), 1, uint64(1), uint64(2), uint64(3), uint64(4)))
    return times * out.size


@kernel()
def multiply_square(a, b, c, times):
    """Square matrix products by BLAS, ``times`` times; returns the floating-point operations."""
    for _ in range(times):
        np.dot(a, b, c)
    return 2.0 * times * a.shape[0] ** 3
