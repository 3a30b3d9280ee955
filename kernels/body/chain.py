"""Gamma and binomial variates by address, in float64: what the chain of norms is made of.

Each variate takes its words from one column of counters (group = attempt, row = ``which``), so that a rejected attempt
shifts nothing else.
"""

import math

from .rng import philox
from .scalars import float64, uint32, uint64

WORD = 2.0**-32
TWO_PI = 2.0 * math.pi


def _unit(word):
    """A float64 strictly between 0 and 1."""
    return (float64(word) + 0.5) * WORD


def normal_deviate(which, place, network, key_0, key_1):
    """N(0, 1) (Box & Muller 1958)."""
    a, b, _, _ = philox(uint64(0), uint64(which), place, network, key_0, key_1)
    return math.sqrt(-2.0 * math.log(_unit(a))) * math.cos(TWO_PI * _unit(b))


def chi_square(degrees, which, place, network, key_0, key_1):
    """Chi-square with ``degrees`` >= 0 degrees of freedom: Marsaglia & Tsang 2000, section 4, from 2 degrees on."""
    if degrees <= 0:
        return 0.0
    if degrees == 1:
        z = normal_deviate(which, place, network, key_0, key_1)
        return z * z
    d = 0.5 * degrees - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    attempt = uint64(0)
    while True:
        words = philox(attempt, uint64(which), place, network, key_0, key_1)
        x = math.sqrt(-2.0 * math.log(_unit(words[0]))) * math.cos(TWO_PI * _unit(words[1]))
        root = 1.0 + c * x
        if root > 0.0:
            v = root * root * root
            if math.log(_unit(words[2])) < 0.5 * x * x + d - d * v + d * math.log(v):
                return 2.0 * d * v
        attempt = attempt + uint64(1)


def _ones(word):
    """The number of bits set in a uint32 (Warren, Hacker's Delight, figure 5-2)."""
    word = uint32(word - uint32(uint32(word >> uint32(1)) & uint32(0x55555555)))
    word = uint32(uint32(word & uint32(0x33333333)) + uint32(uint32(word >> uint32(2)) & uint32(0x33333333)))
    word = uint32(uint32(word + uint32(word >> uint32(4))) & uint32(0x0F0F0F0F))
    return uint32(uint32(word * uint32(0x01010101)) >> uint32(24))


def fair_coins(n, which, place, network, key_0, key_1):
    """How many of n fair coins fall heads: the bits of ceil(n / 128) counters."""
    heads, left = 0, n
    group = uint64(0)
    while left > 0:
        words = philox(group, uint64(which), place, network, key_0, key_1)
        for word in words:
            if left >= 32:
                heads += _ones(word)
            elif left > 0:
                heads += _ones(uint32(word >> uint32(32 - left)))
            left -= 32
        group = group + uint64(1)
    return heads
