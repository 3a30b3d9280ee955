"""Philox in 32-bit words, for a machine that multiplies those: the words of ``body/rng.py``, bit for bit."""

from ..body.scalars import uint32, uint64
from ._compile import SIMULATED, cuda

MULTIPLIER_0 = uint32(0xD2511F53)
MULTIPLIER_1 = uint32(0xCD9E8D57)
WEYL_0 = uint64(0x9E3779B9)
WEYL_1 = uint64(0xBB67AE85)


def _high(a, b):
    """The upper 32 bits of a product; what ``cuda.libdevice.umulhi`` is where there is a device."""
    return uint32(uint64(a) * uint64(b) >> uint64(32))


high = _high if SIMULATED else cuda.libdevice.umulhi


def philox(counter_0, counter_1, counter_2, counter_3, key_0, key_1):
    """Four random words (uint32) for four counter and two key words (all uint64 < 2^32); see ``body/rng.py``."""
    a, b, c, d = uint32(counter_0), uint32(counter_1), uint32(counter_2), uint32(counter_3)
    for _ in range(10):
        high_0, low_0 = uint32(high(a, MULTIPLIER_0)), uint32(uint64(a) * uint64(MULTIPLIER_0))
        high_1, low_1 = uint32(high(c, MULTIPLIER_1)), uint32(uint64(c) * uint64(MULTIPLIER_1))
        a = uint32(high_1 ^ b ^ uint32(key_0))
        c = uint32(high_0 ^ d ^ uint32(key_1))
        b = low_1
        d = low_0
        key_0 = key_0 + WEYL_0
        key_1 = key_1 + WEYL_1
    return a, b, c, d
