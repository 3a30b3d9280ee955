"""Philox4x32-10 gives the answers published with Random123 (kat_vectors: Salmon, Moraes, Dror, Shaw 2011)."""

import numpy as np
import oracle
import pytest
from compiled import entry
from mcflow.kernels.body import rng as plain
from mcflow.kernels.cpu import bodies

VECTORS = (
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    (
        (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF),
        (0xFFFFFFFF, 0xFFFFFFFF),
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
)


@pytest.mark.parametrize(("counter", "key", "answer"), VECTORS)
def test_plain_body_gives_the_published_answers(counter, key, answer):
    words = plain.philox(*(np.uint64(word) for word in (*counter, *key)))
    assert tuple(int(word) for word in words) == answer


@pytest.mark.parametrize(("counter", "key", "answer"), VECTORS)
def test_compiled_body_gives_the_published_answers(counter, key, answer):
    words = entry(bodies.philox)(*(np.uint64(word) for word in (*counter, *key)))
    assert tuple(int(word) for word in words) == answer


@pytest.mark.parametrize(("counter", "key", "answer"), VECTORS)
def test_oracle_gives_the_published_answers(counter, key, answer):
    words = oracle.philox(np.array([counter], dtype=np.uint64), key)[0]
    assert tuple(int(word) for word in words) == answer


def test_every_part_of_an_address_reaches_its_own_bits():
    seed, network, layer, stream, row, group = (
        (0xFEDCBA98 << 32) | 0x76543210,
        (0xAB << 32) | 0xCDEF0123,
        0x4567,
        5,
        89,
        3,
    )
    key = plain.key_of(np.uint64(seed))
    place, low = plain.place_of(network, layer, stream)
    assert [int(word) for word in key] == [0x76543210, 0xFEDCBA98]
    assert (int(place), int(low)) == (0xAB054567, 0xCDEF0123)
    words = plain.philox(np.uint64(group), np.uint64(row), place, low, *key)
    assert [int(word) for word in words] == oracle.words(seed, network, layer, stream, row, group + 1)[
        :, group
    ].tolist()
