"""What one block of networks yields: a row of layer statistics per network, and mergeable counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcflow.quantities import NAMES
from mcflow.statistics import magnitudes

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Block:
    """Statistics of the networks first .. first + count - 1 of one case.

    ``rows[quantity]`` is (count, layer) float64; a quantity that was not asked for, or that a method cannot give, is
    absent. ``preactivation_counts`` and ``gradient_counts`` are (layer, bin) int64 over the networks of the block
    whose index is under the case's ``histogram_networks``; None where the method does not count. ``log2`` has the
    logarithms of a quantity of which some value has left float64 (see ``magnitudes``).
    """

    first: int
    rows: dict[str, Floats]
    preactivation_counts: NDArray[np.int64] | None
    gradient_counts: NDArray[np.int64] | None
    log2: dict[str, Floats] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return len(next(iter(self.rows.values())))


def join(blocks: Sequence[Block]) -> Block:
    """One block from consecutive ones; ValueError where they do not follow each other."""
    ends = [block.first + block.count for block in blocks]
    if any(block.first != end for block, end in zip(blocks[1:], ends[:-1], strict=True)):
        raise ValueError("blocks do not follow each other")
    rows = {name: np.concatenate([block.rows[name] for block in blocks]) for name in blocks[0].rows}
    return Block(
        blocks[0].first,
        rows,
        _sum([block.preactivation_counts for block in blocks]),
        _sum([block.gradient_counts for block in blocks]),
        {name: np.concatenate([logarithms(block, name) for block in blocks]) for name in _far(blocks)},
    )


def _far(blocks: Sequence[Block]) -> list[str]:
    return [name for name in NAMES if any(name in block.log2 for block in blocks)]


def logarithms(block: Any, name: str) -> Floats:
    """(network, layer) logarithms of a quantity of a block or part: its own, or those of its plain values."""
    found: Floats | None = block.log2.get(name)
    return magnitudes.log2_of(block.rows[name]) if found is None else found


def _sum(counts: Sequence[NDArray[np.int64] | None]) -> NDArray[np.int64] | None:
    present = [count for count in counts if count is not None]
    return np.sum(present, axis=0, dtype=np.int64) if present else None
