"""Unit-variance random numbers by address, four columns at a time: the same numbers as ``kernels/cpu/fill.py`` makes.

A row of n numbers has G = ceil(n / 4) column groups (ceil(n / 128) of signs). One counter gives the numbers of group g
in the columns g + j G, j = 0 .. 3; of signs, in b 4 G + g + j G for the bits b = 0 .. 31. A unit is what four columns
are made from: unit u of BITS G has group u mod G and bit u div G, and its columns begin at u mod G + (u div G) 4 G.
"""

from typing import NamedTuple

from ..body.scalars import uint32
from ._compile import cuda
from .bodies import normal_pair, philox, place_of, sign_weight, truncated_pair, uniform_pair
from .placeholders import BATCH, BITS, THREADS, bias_four, weight_four
from .tuples import Stream


def _normal_four(a, b, c, d, bit):
    w, x = normal_pair(a, b)
    y, z = normal_pair(c, d)
    return w, x, y, z


def _uniform_four(a, b, c, d, bit):
    w, x = uniform_pair(a, b)
    y, z = uniform_pair(c, d)
    return w, x, y, z


def _truncated_four(a, b, c, d, bit):
    w, x = truncated_pair(a, b)
    y, z = truncated_pair(c, d)
    return w, x, y, z


def _sign_four(a, b, c, d, bit):
    return sign_weight(a, bit), sign_weight(b, bit), sign_weight(c, bit), sign_weight(d, bit)


class Law(NamedTuple):
    """How a distribution is made: four numbers at a time from the words of a counter, and which ``bits`` of them.

    ``bits`` of a word are used one by one; ``whole`` where matrices are made whole, from these numbers.
    """

    four: object
    bits: int
    whole: bool


LAWS = {
    "normal": Law(_normal_four, 1, False),
    "uniform": Law(_uniform_four, 1, False),
    "truncated_normal": Law(_truncated_four, 1, False),
    "rademacher": Law(_sign_four, 32, False),
    "orthogonal": Law(_normal_four, 1, True),
}


def padded(n, padding):
    """Length of a row of n numbers with its padding."""
    return (n + padding - 1) // padding * padding


def stream_of(network, layer, kind):
    """The stream of a layer's numbers of one ``kind`` (see ``body/rng.py``)."""
    place, low = place_of(network.number, layer, kind)
    return Stream(uint32(place), uint32(low), network.keys)


def words_at(group, row, stream):
    """The four words of a counter: of a group of columns in a row."""
    return philox(uint32(group), uint32(row), stream.place, stream.low, stream.keys)


def groups_of(n):
    """Column groups of a row of n weights."""
    return (n + 4 * BITS - 1) // (4 * BITS)


def first_column(unit, groups):
    """The first of the four columns of a unit; the others follow at distances of ``groups``."""
    return unit % groups + unit // groups * 4 * groups


def weights_of_unit(group, bit, row, stream):
    """The four weights of the unit of a group and bit, in a row."""
    a, b, c, d = words_at(group, row, stream)
    return weight_four(a, b, c, d, bit)


def fill_normals(out, n, rows, across, down, stream):
    """out[i across + r down] = number i of row r, for i < n and r < rows, all standard normal. No barrier."""
    groups = (n + 3) // 4
    for task in range(cuda.threadIdx.x, groups * rows, THREADS):
        g, r = task % groups, task // groups
        a, b, c, d = words_at(g, r, stream)
        w, x, y, z = _normal_four(a, b, c, d, 0)
        at = r * down
        out[g * across + at] = w
        if g + groups < n:
            out[(g + groups) * across + at] = x
        if g + 2 * groups < n:
            out[(g + 2 * groups) * across + at] = y
        if g + 3 * groups < n:
            out[(g + 3 * groups) * across + at] = z


def add_biases(h, n, factor, stream):
    """h[i BATCH + k] += factor times number i of the layer's biases. No barrier."""
    groups = (n + 3) // 4
    for g in range(cuda.threadIdx.x, groups, THREADS):
        a, b, c, d = words_at(g, 0, stream)
        w, x, y, z = bias_four(a, b, c, d, 0)
        for k in range(BATCH):
            h[g * BATCH + k] += factor * w
            if g + groups < n:
                h[(g + groups) * BATCH + k] += factor * x
            if g + 2 * groups < n:
                h[(g + 2 * groups) * BATCH + k] += factor * y
            if g + 3 * groups < n:
                h[(g + 3 * groups) * BATCH + k] += factor * z
