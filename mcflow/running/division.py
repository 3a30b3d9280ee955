"""How a study is divided into pieces, and which of them are a shard's: by counting, however many there are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from mcflow.files.part_folder import PartName
from mcflow.files.shards import Shard
from mcflow.methods.cost import folded_part_size
from mcflow.plan import Job, Prepared
from mcflow.running.work import Piece
from mcflow.sampling import devices


@dataclass(frozen=True)
class Division:
    """Every part of a study in the order in which they are computed and dealt to shards: by first network, then case.

    ``sizes`` are the networks of a part of each case. The order repeats itself after as many networks as all sizes
    divide: one such round is listed, and a part's place in the whole is arithmetic (10^12 networks have 10^8 parts).
    ``groups`` are the networks that each case folds as a group, where rows are not kept: a part's pieces are then as
    long as a power of two of them.
    """

    sizes: tuple[int, ...]
    networks: int
    shard: Shard | None = None
    groups: tuple[int, ...] = ()

    @classmethod
    def of(cls, prepared: Prepared, shard: Shard | None = None) -> Division:
        if prepared.study.keep == "networks":
            return cls(tuple(job.part for job in prepared.jobs), prepared.study.networks, shard)
        sizes = tuple(_folded(job, prepared.study.networks, shard) for job in prepared.jobs)
        return cls(sizes, prepared.study.networks, shard, tuple(job.group for job in prepared.jobs))

    @property
    def is_folded(self) -> bool:
        """Whether rows are not kept."""
        return bool(self.groups)

    @cached_property
    def _round(self) -> tuple[int, list[tuple[int, int]], dict[tuple[int, int], int]]:
        """Networks of a round, its parts as (first network, case) in their order, and the place of each."""
        length = math.lcm(*self.sizes)
        order = sorted((first, case) for case, size in enumerate(self.sizes) for first in range(0, length, size))
        return length, order, {part: place for place, part in enumerate(order)}

    @property
    def parts(self) -> int:
        """How many parts the whole study has."""
        return sum(-(-self.networks // size) for size in self.sizes)

    def pieces(self) -> Iterator[Piece]:
        """The pieces of the shard: those of every ``of``-th part of all; of all of them where there is no shard."""
        length, order, _ = self._round
        start, step = (0, 1) if self.shard is None else (self.shard.number, self.shard.of)
        for place in range(start, self.parts, step):  # parts beyond the last network are the last of their round
            offset, case = order[place % len(order)]
            yield from self.part(case, place // len(order) * length + offset)

    def part(self, case: int, first: int) -> Iterator[Piece]:
        """The pieces of the part that begins with network ``first``: one, but for the last part of folded networks."""
        end = min(first + self.sizes[case], self.networks)
        while first < end:
            count = end - first
            if self.is_folded:
                whole = count // self.groups[case]
                count = min(count, self.groups[case] << max(0, whole.bit_length() - 1))
            yield Piece(case, first, count)
            first += count

    def has(self, name: PartName) -> bool:
        """Whether a part is one of the shard's, or lies in one; one that reaches beyond is not."""
        if self.shard is None:
            return True
        length, order, places = self._round
        size = self.sizes[name.case]
        if (name.end - 1) // size != name.first // size:
            return False
        rounds, offset = divmod(name.first // size * size, length)
        return (rounds * len(order) + places[offset, name.case]) % self.shard.of == self.shard.number

    def total(self) -> int:
        """Networks of all pieces, over all cases."""
        if self.shard is None:
            return self.networks * len(self.sizes)
        return sum(piece.count for piece in self.pieces())


def _folded(job: Job, networks: int, shard: Shard | None) -> int:
    """A part's networks; what suits a device only where no other machine has to divide the study the same way."""
    strength = 1 if shard is not None else devices.get(job.device).strength
    return folded_part_size(job.case, job.inputs.shape[1], job.method, networks, strength)
