"""Philox4x32-10: random words by address (Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers", table 2).

A word's address is (seed; network, layer, stream, row, column group): nothing is ever advanced, so any thread, block or
device makes the same word. Counter words: [group, row, layer | stream << 16 | network >> 32 << 24, network & 2^32 - 1];
key words: [seed & 2^32 - 1, seed >> 32].
"""

from .scalars import uint32, uint64

MULTIPLIER_0 = uint64(0xD2511F53)
MULTIPLIER_1 = uint64(0xCD9E8D57)
WEYL_0 = uint64(0x9E3779B9)
WEYL_1 = uint64(0xBB67AE85)
LOW = uint64(0xFFFFFFFF)
HALF = uint64(32)

# What a word is for: the stream byte of the address. Schemes share streams, so that their comparisons are paired.
WEIGHTS = 0
BIASES = 1
OUTPUT_GRADIENT = 2
COLLAPSED_FORWARD = 3
COLLAPSED_BACKWARD = 4
CHAIN = 5
COMPLETION = 6


def key_of(seed):
    """The two key words of a seed."""
    return uint64(seed) & LOW, uint64(seed) >> HALF


def place_of(network, layer, stream):
    """Counter words 2 and 3 of a network (0 .. 2^40 - 1), layer (0 .. 65535) and stream (0 .. 255)."""
    high = (uint64(network) >> HALF) << uint64(24)
    return uint64(layer) | (uint64(stream) << uint64(16)) | high, uint64(network) & LOW


def philox(counter_0, counter_1, counter_2, counter_3, key_0, key_1):
    """Four random words, each in the low half of a uint64, for four counter and two key words (all uint64 < 2^32).

    Kept in 64-bit lanes: the compiler then sees ten rounds of 32 x 32 -> 64 bit products (``pmuludq``) with no
    packing between them; the upper halves carry rubbish that the next product masks away.
    """
    for _ in range(10):
        product_0 = (counter_0 & LOW) * MULTIPLIER_0
        product_1 = (counter_2 & LOW) * MULTIPLIER_1
        counter_0 = (product_1 >> HALF) ^ counter_1 ^ key_0
        counter_2 = (product_0 >> HALF) ^ counter_3 ^ key_1
        counter_1 = product_1
        counter_3 = product_0
        key_0 = (key_0 + WEYL_0) & LOW
        key_1 = (key_1 + WEYL_1) & LOW
    return uint32(counter_0 & LOW), uint32(counter_1 & LOW), uint32(counter_2 & LOW), uint32(counter_3 & LOW)
