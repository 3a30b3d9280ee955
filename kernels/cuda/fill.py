"""Unit-variance random numbers by address, four columns at a time: the same numbers as ``kernels/cpu/fill.py`` makes.

A row of n numbers has G = ceil(n / 4) column groups (ceil(n / 128) of signs). One counter gives the numbers of group g
in the columns g + j G, j = 0 .. 3; of signs, in b 4 G + g + j G for the bits b = 0 .. 31. A unit is what four columns
are made from: unit u of BITS G has group u mod G and bit u div G, and its columns begin at u mod G + (u div G) 4 G.
"""

from ..body.scalars import uint64
from ._compile import cuda
from .bodies import normal_pair, philox, sign_weight, truncated_pair, uniform_pair

# each assembled kernel has its own
BITS = 1
THREADS = 32
BATCH = 1


def normal_four(a, b, c, d, bit):
    w, x = normal_pair(a, b)
    y, z = normal_pair(c, d)
    return w, x, y, z


def uniform_four(a, b, c, d, bit):
    w, x = uniform_pair(a, b)
    y, z = uniform_pair(c, d)
    return w, x, y, z


def truncated_four(a, b, c, d, bit):
    w, x = truncated_pair(a, b)
    y, z = truncated_pair(c, d)
    return w, x, y, z


def sign_four(a, b, c, d, bit):
    return sign_weight(a, bit), sign_weight(b, bit), sign_weight(c, bit), sign_weight(d, bit)


weight_four = normal_four  # each assembled kernel has that of its weights
bias_four = normal_four

# How each distribution makes four numbers, and how many bits of a counter's words it uses one by one.
FOURS = {
    "normal": (normal_four, 1),
    "uniform": (uniform_four, 1),
    "truncated_normal": (truncated_four, 1),
    "rademacher": (sign_four, 32),
    "orthogonal": (normal_four, 1),
}


def groups_of(n):
    """Column groups of a row of n weights."""
    return (n + 4 * BITS - 1) // (4 * BITS)


def first_column(unit, groups):
    """The first of the four columns of a unit; the others follow at distances of ``groups``."""
    return unit % groups + unit // groups * 4 * groups


def weights_of_unit(group, bit, row, place, low, key_0, key_1):
    """The four weights of the unit of a group and bit, in a row."""
    a, b, c, d = philox(uint64(group), uint64(row), place, low, key_0, key_1)
    return weight_four(a, b, c, d, bit)


def fill_normals(out, n, rows, across, down, place, low, key_0, key_1):
    """out[i across + r down] = number i of row r, for i < n and r < rows, all standard normal. No barrier."""
    groups = (n + 3) // 4
    for task in range(cuda.threadIdx.x, groups * rows, THREADS):
        g, r = task % groups, task // groups
        a, b, c, d = philox(uint64(g), uint64(r), place, low, key_0, key_1)
        w, x, y, z = normal_four(a, b, c, d, 0)
        at = r * down
        out[g * across + at] = w
        if g + groups < n:
            out[(g + groups) * across + at] = x
        if g + 2 * groups < n:
            out[(g + 2 * groups) * across + at] = y
        if g + 3 * groups < n:
            out[(g + 3 * groups) * across + at] = z


def add_biases(h, n, factor, place, low, key_0, key_1):
    """h[i BATCH + k] += factor times number i of the layer's biases. No barrier."""
    groups = (n + 3) // 4
    for g in range(cuda.threadIdx.x, groups, THREADS):
        a, b, c, d = philox(uint64(g), uint64(0), place, low, key_0, key_1)
        w, x, y, z = bias_four(a, b, c, d, 0)
        for k in range(BATCH):
            h[g * BATCH + k] += factor * w
            if g + groups < n:
                h[(g + groups) * BATCH + k] += factor * x
            if g + 2 * groups < n:
                h[(g + 2 * groups) * BATCH + k] += factor * y
            if g + 3 * groups < n:
                h[(g + 3 * groups) * BATCH + k] += factor * z
