"""Arrays that begin where a cache line does: a vector that straddles two lines costs twice to load or store."""

import numpy as np

from .._jit import inner

LINE = 16  # float32 numbers of a cache line of 64 bytes


@inner(allocates=True)
def whole_lines(length):
    """``length`` rounded up to whole cache lines, so that rows of that many floats all begin at one."""
    return (length + LINE - 1) // LINE * LINE


@inner(allocates=True)
def empty_floats(length):
    """An uninitialised flat float32 array that begins at a cache line."""
    raw = np.empty(length + LINE, np.float32)
    skip = (-(raw.ctypes.data // 4)) % LINE
    return raw[skip : skip + length]
