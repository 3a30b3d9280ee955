"""Rows of unit-variance random numbers by address: one loop for each distribution, called by its own address.

A row of n numbers is padded to 4 G with G = ceil(n / 4): word j of column group g is column j G + g, so that the four
words of a counter go to four contiguous stretches. Signs take one bit each: word w of W = 4 ceil(n / 128) gives the
columns b W + w for its bits b = 0 .. 31. Numbers beyond column n are random too: multiply them by zero.
"""

from typing import NamedTuple

from numba import int64, uint64

from ._compile import FLOATS, copy_with, inner, loop
from .bodies import normal_pair, philox, sign_weight, truncated_pair, uniform_pair
from .haar import fill_orthogonal

# out, n, first row, rows, counter words of place_of, key words of key_of
SIGNATURE = (FLOATS, int64, uint64, int64, uint64, uint64, uint64, uint64)

# Rows of fewer groups than this are filled across rows instead of along them, so that short rows vectorise too.
_FEW_GROUPS = 16


@inner
def padded(n, padding):
    """Length of a row of n numbers with its padding."""
    return (n + padding - 1) // padding * padding


class Distribution(NamedTuple):
    """How rows are made: the loop's address, the padding of a row, and whether a matrix is made whole."""

    address: int
    padding: int
    whole: bool


def _independent(out, n, first, rows, place, network, key_0, key_1):
    """The loop of every distribution that makes a pair of numbers from a pair of words."""
    groups = (n + 3) // 4
    stride = 4 * groups
    if groups >= _FEW_GROUPS or rows < groups:
        for r in range(rows):
            for g in range(groups):
                a, b, c, d = philox(uint64(g), first + uint64(r), place, network, key_0, key_1)
                p = r * stride + g
                out[p], out[p + groups] = pair(a, b)  # noqa: F821  (a global of the copy that is compiled)
                out[p + 2 * groups], out[p + 3 * groups] = pair(c, d)  # noqa: F821
        return
    for g in range(groups):
        for r in range(rows):
            a, b, c, d = philox(uint64(g), first + uint64(r), place, network, key_0, key_1)
            p = r * stride + g
            out[p], out[p + groups] = pair(a, b)  # noqa: F821
            out[p + 2 * groups], out[p + 3 * groups] = pair(c, d)  # noqa: F821


def _rademacher(out, n, first, rows, place, network, key_0, key_1):
    groups = (n + 127) // 128
    words = 4 * groups
    for r in range(rows):
        start = r * 32 * words
        for g in range(groups):
            a, b, c, d = philox(uint64(g), first + uint64(r), place, network, key_0, key_1)
            for bit in range(32):
                p = start + bit * words + g
                out[p], out[p + groups] = sign_weight(a, bit), sign_weight(b, bit)
                out[p + 2 * groups], out[p + 3 * groups] = sign_weight(c, bit), sign_weight(d, bit)


class Law(NamedTuple):
    """How a distribution is made: by a loop, or from the pair that a copy of the loop of independent numbers takes.

    A row is ``padded`` to a multiple of ``padding``; ``whole`` where matrices are made whole.
    """

    made: object
    padding: int
    whole: bool


LAWS = {
    "normal": Law(normal_pair, 4, False),
    "uniform": Law(uniform_pair, 4, False),
    "truncated_normal": Law(truncated_pair, 4, False),
    "rademacher": Law(_rademacher, 128, False),
    "orthogonal": Law(fill_orthogonal, 4, True),
}
_LOOPS = (_rademacher, fill_orthogonal)
_compiled: dict = {}


def distribution(name: str) -> Distribution:
    """The distribution called ``name``, its loop compiled (or read from the disk cache) when it is first asked for."""
    made, padding, whole = LAWS[name]
    if name not in _compiled:
        function = made if made in _LOOPS else copy_with(_independent, name, pair=made)
        _compiled[name] = loop(*SIGNATURE)(function)
    return Distribution(_compiled[name].address, padding, whole)
