"""One part of a case: the rows of consecutive networks, or what they fold to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mcflow.sampling.blocks import Block
from mcflow.sampling.recorded import Pair, added
from mcflow.statistics import summaries
from mcflow.statistics.magnitudes import Floats
from mcflow.statistics.summaries import Accumulator


@dataclass(frozen=True)
class Part:
    """What the networks first .. first + count - 1 of one case gave.

    ``rows`` (quantity -> (network, layer)) where the study keeps networks, with ``log2`` of those quantities of which
    some value has left float64; else ``accumulators`` (by quantity). The counts are (layer, bin) over those of the
    networks that the histograms' plan counts.
    """

    first: int
    count: int
    rows: dict[str, Floats] | None
    accumulators: dict[str, Accumulator] | None
    preactivation_counts: NDArray[np.int64] | None
    gradient_counts: NDArray[np.int64] | None
    log2: dict[str, Floats] = field(default_factory=dict)

    @property
    def histograms(self) -> Pair:
        """The two counts."""
        return self.preactivation_counts, self.gradient_counts

    @property
    def end(self) -> int:
        """The network after the last."""
        return self.first + self.count


def of_rows(block: Block) -> Part:
    """The part that keeps the rows of a block."""
    return Part(
        block.first, block.count, block.rows, None, block.preactivation_counts, block.gradient_counts, block.log2
    )


def are_halves(first: int, end: int, second: int, last: int) -> bool:
    """Whether the networks ``first`` .. ``end`` - 1 and ``second`` .. ``last`` - 1 are halves of what is folded as one.

    A set of groups that is folded is as long as a power of two of them, and starts at a multiple of its length.
    """
    length = end - first
    return end == second and last - second == length and first % (2 * length) == 0


def halves_merged(parts: Iterable[Part]) -> list[Part]:
    """Parts that hold accumulators, ascending, with every two halves merged: as few as there can be."""
    merged: list[Part] = []
    for part in parts:
        merged.append(part)
        while len(merged) > 1 and are_halves(*(n for part in merged[-2:] for n in (part.first, part.end))):
            merged[-2:] = [merge(*merged[-2:])]
    return merged


def fold(parts: Iterable[Part]) -> Part:
    """All networks of parts that hold accumulators, ascending, as one; the same bits however they were divided."""
    total, *others = halves_merged(parts)
    for part in others:
        total = merge(total, part)
    return total


def merge(first: Part, second: Part) -> Part:
    """Two parts that hold accumulators as one; ValueError where the second does not come after the first."""
    if first.accumulators is None or second.accumulators is None or first.end > second.first:
        raise ValueError("parts that do not follow each other cannot be folded")
    return Part(
        first.first,
        first.count + second.count,
        None,
        {name: summaries.merge(of, second.accumulators[name]) for name, of in first.accumulators.items()},
        *added(first.histograms, second.histograms),
    )
