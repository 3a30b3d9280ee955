"""The division of a study into pieces: the order, the shards, and studies of more parts than could be listed."""

from __future__ import annotations

import itertools
import tracemalloc

import pytest

from mcflow import Case
from mcflow.files.part_folder import PartName
from mcflow.files.shards import Shard
from mcflow.methods.cost import folded_part_size, group_size, part_size
from mcflow.running.division import Division
from mcflow.running.work import Piece


def _listed(sizes, networks):
    """Every piece, listed and sorted: the plain definition of the order."""
    found = [
        Piece(case, number * size, min(size, networks - number * size))
        for case, size in enumerate(sizes)
        for number in range(-(-networks // size))
    ]
    return sorted(found, key=lambda piece: (piece.first, piece.case))


@pytest.mark.parametrize("sizes", [(16,), (16, 16, 16), (64, 16, 256), (1, 8, 2), (3, 5)])
@pytest.mark.parametrize("networks", [1, 15, 16, 17, 255, 256, 300, 1000])
def test_pieces_come_in_the_order_of_their_first_network(sizes, networks):
    whole = _listed(sizes, networks)
    division = Division(sizes, networks)
    assert list(division.pieces()) == whole
    assert (division.parts, division.total()) == (len(whole), sum(piece.count for piece in whole))


@pytest.mark.parametrize("sizes", [(16,), (64, 16, 256)])
def test_shards_share_the_pieces_among_them(sizes):
    whole = _listed(sizes, 1000)
    for of in (1, 2, 7, 500):
        for number in range(min(of, 9)):
            division = Division(sizes, 1000, Shard(number, of))
            assert list(division.pieces()) == whole[number::of]
            assert division.total() == sum(piece.count for piece in whole[number::of])
            mine = [piece for piece in whole if division.has(PartName(piece.case, piece.first, piece.count, 0))]
            assert mine == whole[number::of]


def test_a_million_million_networks_are_divided_without_a_list():
    tracemalloc.start()
    division = Division((8192, 4096), 10**12)
    first = list(itertools.islice(division.pieces(), 3))
    far = list(Division((8192, 4096), 10**12, Shard(999_999, 1_000_000)).pieces())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert first == [Piece(0, 0, 8192), Piece(1, 0, 4096), Piece(1, 4096, 4096)]
    assert division.parts == -(-(10**12) // 8192) + -(-(10**12) // 4096)
    assert len(far) == division.parts // 1_000_000 + (division.parts % 1_000_000 > 999_999)
    assert peak < 1 << 20


@pytest.mark.parametrize("networks", [1, 31, 32, 33, 500, 1000, 1023, 1024])
def test_folded_pieces_are_sets_of_groups_as_long_as_a_power_of_two(networks):
    pieces = list(Division((128, 64), networks, groups=(16, 32)).pieces())
    for case, group in enumerate((16, 32)):
        mine = [piece for piece in pieces if piece.case == case]
        assert [piece.first for piece in mine] == [0, *itertools.accumulate(piece.count for piece in mine)][:-1]
        assert mine[-1].end == networks
        for piece in mine:
            groups = piece.count // group
            assert piece.first % group == 0
            if piece.count % group:
                assert (piece.count < group, piece.end) == (True, networks)
            else:
                assert groups & (groups - 1) == 0
                assert piece.first % piece.count == 0


@pytest.mark.parametrize("strength", [1, 4])
def test_a_study_of_any_size_has_some_thousand_parts_and_no_short_ones(strength):
    case = Case("kaiming_normal", "relu", depth=50, width=512)
    for networks in (1, 1000, 10**6, 10**9, 10**12):
        size = folded_part_size(case, 512, "collapsed", networks, strength)
        assert size & (size - 1) == 0
        assert size % group_size(part_size(case, 512, "collapsed")) == 0
        assert size >= part_size(case, 512, "collapsed")
        assert -(-networks // size) <= 2048
