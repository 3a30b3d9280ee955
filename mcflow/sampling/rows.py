"""Rows from sums: what a device leaves of a block's layers becomes quantities, as the registry says."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mcflow import quantities
from mcflow.quantities import Quantity
from mcflow.sampling.arguments import group_of
from mcflow.sampling.blocks import Block, Floats, scale

if TYPE_CHECKING:
    from mcflow.model.case import Case


@dataclass(frozen=True)
class Sizes:
    """What sums are divided by: ``units`` (layer,) numbers that a sum is over, ``fan_in`` (layer,), inputs, groups."""

    units: Floats
    fan_in: NDArray[np.int64]
    inputs: int
    group: int

    @classmethod
    def of(cls, case: Case, features: int, are_means: bool = False) -> Sizes:
        """Of a case; ``are_means`` where the sums are over the units, and divided by them already."""
        program = case.program_for(features)
        units = np.ones(program.depth) if are_means else (program.width * case.batch).astype(np.float64)
        return cls(units, program.fan_in, case.batch, group_of(case))


def block_of(
    first: int,
    sums: Floats,
    exponents: Floats,
    counts: NDArray[np.int64],
    sizes: Sizes,
    filled: Iterable[int],
    backward: bool,
) -> Block:
    """The block that starts at network ``first``, from what a device left of it; ``sums`` are overwritten.

    ``sums`` (column, network, layer) and ``exponents`` are in the order of ``kernels/recorded.py``, of which the
    device has ``filled`` some sums; ``counts`` is (2, layer, bin).
    """
    wanted = quantities.given(sizes.inputs, backward, filled)
    made: dict[str, Floats] = {}
    with np.errstate(all="ignore"):  # nothing over nothing, and what has left float64
        # those that share a sum with others first: what is left of a sum at last is made in its place
        uses = Counter(column for quantity in wanted for column in quantity.sums)
        for quantity in sorted(wanted, key=lambda quantity: -len(quantity.sums)):
            made[quantity.name] = _row(quantity, sums, sizes, uses)
    rows = {quantity.name: made[quantity.name] for quantity in wanted}
    of_h, of_x, of_d, below = exponents
    log2 = scale(rows, [of_h, of_x, of_d if backward else None, below if backward else None])
    return Block(first, rows, counts[0], counts[1] if backward else None, log2)


def _row(quantity: Quantity, sums: Floats, sizes: Sizes, uses: Counter[int]) -> Floats:
    """(network, layer) values without their power of two; ``uses``: how many quantities still take each column."""
    uses.subtract(quantity.sums)
    if len(quantity.sums) == 1:
        column = quantity.numerator[0]
        top = sums[column].copy() if uses[column] else sums[column]
    else:
        top = math.prod((sums[column] for column in quantity.numerator), start=np.ones(()))
        for column in quantity.denominator:
            top /= sums[column]
    if quantity.divisor == "pairs":  # |sum of g unit vectors|^2 = g + 2 (sum of the cosines of their pairs)
        vectors = sizes.inputs // sizes.group * sizes.group
        top -= vectors
        top /= vectors * (sizes.group - 1)
    else:
        top /= sizes.units if quantity.divisor == "units" else sizes.units * sizes.fan_in
    return top
