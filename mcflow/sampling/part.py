"""One part of a case: the rows of a fixed range of its networks, or what they fold to."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mcflow.sampling.blocks import Block
from mcflow.sampling.cpu import threads
from mcflow.sampling.fold import accumulate
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


def from_block(block: Block, keep: str) -> Part:
    """The part that a block of rows makes: the rows themselves, or what the threads of this process fold them to."""
    rows = block.rows if keep == "networks" else None
    accumulators = None
    if rows is None:
        accumulators = accumulate(block.rows, block.log2, sketched=True, threads=threads())
    log2 = {} if rows is None else block.log2
    return Part(block.first, block.count, rows, accumulators, block.preactivation_counts, block.gradient_counts, log2)


def fold(parts: list[Part]) -> Part:
    """One part of consecutive ones that hold accumulators, merged in their order; ValueError where one is missing."""
    total = parts[0]
    for part in parts[1:]:
        if total.accumulators is None or part.accumulators is None or total.first + total.count != part.first:
            raise ValueError("parts that do not follow each other cannot be folded")
        merged = {name: summaries.merge(of, part.accumulators[name]) for name, of in total.accumulators.items()}
        total = Part(
            total.first,
            total.count + part.count,
            None,
            merged,
            _add(total.preactivation_counts, part.preactivation_counts),
            _add(total.gradient_counts, part.gradient_counts),
        )
    return total


def _add(first: NDArray[np.int64] | None, second: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
    return second if first is None else first if second is None else first + second
