"""What one block of networks yields: a row of layer statistics per network, and mergeable counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FORWARD = (
    "preactivation_mean",
    "preactivation_second_moment",
    "preactivation_fourth_moment",
    "activation_mean",
    "activation_second_moment",
    "active_fraction",
    "saturated_fraction",
    "preactivation_correlation",
)
BACKWARD = ("gradient_second_moment", "weight_gradient_second_moment")
QUANTITIES = FORWARD + BACKWARD

HISTOGRAM_BINS = 66  # 64 of equal width between two that collect everything beyond
HISTOGRAM_REACH = 6.0  # the inner bins span -6 .. 6 units of the layer's scale


@dataclass(frozen=True)
class Block:
    """Statistics of the networks first .. first + count - 1 of one case.

    ``rows[quantity]`` is (count, layer) float64; a quantity that was not asked for, or that a method cannot give, is
    absent. ``preactivation_counts`` and ``gradient_counts`` are (layer, bin) int64 over the networks of the block
    whose index is under the case's ``histogram_networks``; None where the method does not count.
    """

    first: int
    rows: dict[str, NDArray[np.float64]]
    preactivation_counts: NDArray[np.int64] | None
    gradient_counts: NDArray[np.int64] | None

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
    )


def _sum(counts: Sequence[NDArray[np.int64] | None]) -> NDArray[np.int64] | None:
    present = [count for count in counts if count is not None]
    return np.sum(present, axis=0, dtype=np.int64) if present else None
