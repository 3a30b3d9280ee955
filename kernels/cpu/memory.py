"""The memory of one walk. Its arrays begin where a cache line does: a vector that straddles two costs twice."""

import numpy as np

from ._compile import inner
from .bodies import key_of
from .fill import padded
from .tuples import Space, Walk

_LINE = 16  # float32 numbers of a cache line of 64 bytes


@inner(allocates=True)
def whole_lines(length):
    """``length`` rounded up to whole cache lines, so that rows of that many floats all begin at one."""
    return (length + _LINE - 1) // _LINE * _LINE


@inner(allocates=True)
def empty_floats(length):
    """An uninitialised flat float32 array that begins at a cache line."""
    raw = np.empty(length + _LINE, np.float32)
    skip = (-(raw.ctypes.data // 4)) % _LINE
    return raw[skip : skip + length]


@inner(allocates=True)
def _make_space(architecture, inputs, backward):
    """Scratch for one network at a time."""
    layers, batch = len(architecture.width), inputs.values.shape[0]
    widest = 0
    for layer in range(layers):
        widest = max(widest, max(architecture.width[layer], architecture.fan_in[layer]))
    longest = padded(widest, architecture.padding)
    size = batch * longest
    slopes = layers if backward else 1
    slope_size = whole_lines(batch * widest)
    return Space(
        empty_floats(size),
        empty_floats(size),
        empty_floats(size),
        np.zeros(1, np.int64),
        np.zeros(batch, np.float64),
        empty_floats(slopes * slope_size).reshape((slopes, slope_size)),
        np.zeros(layers, np.int64),
        np.zeros(layers + 1, np.int64),
        np.empty((layers + 1, batch), np.float64),
        empty_floats(longest + 4),
        np.empty(widest, np.float64),
    )


@inner(allocates=True)
def make_walk(steps, block):
    """What stays the same while one thread walks through the networks of a block."""
    key_0, key_1 = key_of(block.address.seed)
    space = _make_space(block.architecture, block.inputs, block.memory.backward)
    return Walk(
        steps, block.architecture, block.inputs, block.nonlinearity, block.counting, block.memory.backward,
        key_0, key_1, space,
    )  # fmt: skip
