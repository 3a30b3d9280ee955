"""Philox in 32-bit words, for a machine that multiplies those: the words of ``body/rng.py``, bit for bit."""

import numpy

from ..body.rng import LOW, WEYL_0, WEYL_1
from ..body.scalars import uint32, uint64

MULTIPLIER_0 = uint64(0xD2511F53)
MULTIPLIER_1 = uint64(0xCD9E8D57)
ROUNDS = 10
_HALF = uint64(32)


def round_keys(seed):
    """The key words of all rounds, two a round, as NumPy's uint32: a kernel is told them.

    Arguments of a kernel are constants to its instructions, which neither add nor keep them.
    """
    key_0, key_1 = int(seed) & int(LOW), int(seed) >> 32
    words = ((key_0 + i * int(WEYL_0), key_1 + i * int(WEYL_1)) for i in range(ROUNDS))
    return tuple(numpy.uint32(word & int(LOW)) for pair in words for word in pair)


def _round(a, b, c, d, key_0, key_1):
    # one instruction makes both halves of a product
    product_0, product_1 = uint64(a) * MULTIPLIER_0, uint64(c) * MULTIPLIER_1
    high_0, high_1 = uint32(product_0 >> _HALF), uint32(product_1 >> _HALF)
    return uint32(high_1 ^ b ^ key_0), uint32(product_1), uint32(high_0 ^ d ^ key_1), uint32(product_0)


def philox(a, b, c, d, keys):
    """Four random words for four counter words (all uint32) and the ``round_keys`` of a seed; see ``body/rng.py``."""
    a, b, c, d = _round(a, b, c, d, keys[0], keys[1])
    a, b, c, d = _round(a, b, c, d, keys[2], keys[3])
    a, b, c, d = _round(a, b, c, d, keys[4], keys[5])
    a, b, c, d = _round(a, b, c, d, keys[6], keys[7])
    a, b, c, d = _round(a, b, c, d, keys[8], keys[9])
    a, b, c, d = _round(a, b, c, d, keys[10], keys[11])
    a, b, c, d = _round(a, b, c, d, keys[12], keys[13])
    a, b, c, d = _round(a, b, c, d, keys[14], keys[15])
    a, b, c, d = _round(a, b, c, d, keys[16], keys[17])
    return _round(a, b, c, d, keys[18], keys[19])
