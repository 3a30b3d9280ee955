"""How a study is divided into pieces, and which of them are a shard's: by counting, however many there are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from mcflow.files.part_folder import PartName
from mcflow.files.shards import Shard
from mcflow.plan import Prepared
from mcflow.running.work import Piece


@dataclass(frozen=True)
class Division:
    """Every part of a study in the order in which they are computed and dealt to shards: by first network, then case.

    ``sizes`` are the networks of a part of each case. The order repeats itself after as many networks as all sizes
    divide: one such round is listed, and a part's place in the whole is arithmetic (10^12 networks have 10^8 parts).
    """

    sizes: tuple[int, ...]
    networks: int
    shard: Shard | None = None

    @classmethod
    def of(cls, prepared: Prepared, shard: Shard | None = None) -> Division:
        return cls(tuple(job.part for job in prepared.jobs), prepared.study.networks, shard)

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
        """The pieces of the shard: every ``of``-th of all; all of them where there is no shard."""
        length, order, _ = self._round
        start, step = (0, 1) if self.shard is None else (self.shard.number, self.shard.of)
        for place in range(start, self.parts, step):  # parts beyond the last network are the last of their round
            offset, case = order[place % len(order)]
            yield self.piece(case, (place // len(order) * length + offset) // self.sizes[case])

    def piece(self, case: int, number: int) -> Piece:
        """Part ``number`` of a case; without networks where it lies beyond the last."""
        size = self.sizes[case]
        return Piece(case, number, number * size, max(0, min(size, self.networks - number * size)))

    def has(self, name: PartName) -> bool:
        """Whether a part is one of the shard's."""
        if self.shard is None:
            return True
        length, order, places = self._round
        rounds, offset = divmod(name.number * self.sizes[name.case], length)
        return (rounds * len(order) + places[offset, name.case]) % self.shard.of == self.shard.number

    def total(self) -> int:
        """Networks of all pieces, over all cases."""
        if self.shard is None:
            return self.networks * len(self.sizes)
        return sum(piece.count for piece in self.pieces())
