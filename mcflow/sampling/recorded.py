"""What a device leaves of a block of networks: sums and exponents, and what quantities are made of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mcflow import quantities
from mcflow.quantities import Quantity
from mcflow.sampling import columns
from mcflow.sampling.arguments import group_of
from mcflow.sampling.columns import Columns
from mcflow.sampling.key_counts import KeyCounts
from mcflow.statistics import magnitudes
from mcflow.statistics.magnitudes import Floats

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

    def less_and_divisor(self, quantity: Quantity) -> tuple[float, Floats]:
        """What is taken off a quantity's product of sums, and what (layer,) that is divided by then."""
        if quantity.divisor == "pairs":  # |sum of g unit vectors|^2 = g + 2 (sum of the cosines of their pairs)
            vectors = self.inputs // self.group * self.group
            return float(vectors), np.full(len(self.units), float(vectors * (self.group - 1)))
        return 0.0, self.units if quantity.divisor == "units" else self.units * self.fan_in


Pair = tuple[NDArray[np.int64] | None, NDArray[np.int64] | None]


class Histograms:
    """(layer, bin) counts of preactivations and of gradients, added up over blocks; None where there are none."""

    def __init__(self) -> None:
        self.pair: Pair = (None, None)

    def add(self, counts: Pair) -> None:
        self.pair = added(self.pair, counts)


def added(first: Pair, second: Pair) -> Pair:
    """Counts of two sets of networks as one's."""
    one, other = ((b if a is None else a if b is None else a + b) for a, b in zip(first, second, strict=True))
    return one, other


@dataclass(frozen=True)
class Recorded:
    """The networks first .. first + count - 1 of one case, as a device leaves them.

    ``sums`` (column, network, layer) lack their powers of two, which ``exponents`` (4, network, layer) have, both in
    the order of ``kernels/recorded.py``; ``filled`` are the columns that the device has filled. ``counts`` int64
    (2, layer, bin) are the histograms.
    """

    first: int
    sums: Floats
    exponents: Floats
    counts: NDArray[np.int64]
    sizes: Sizes
    filled: Iterable[int]
    backward: bool

    @property
    def count(self) -> int:
        return self.sums.shape[1]

    @property
    def layers(self) -> int:
        return self.sums.shape[2]

    @property
    def histograms(self) -> Pair:
        """(layer, bin) counts of preactivations and of gradients, these None without a backward pass."""
        forward, backward = self.counts
        return forward, backward if self.backward else None

    @cached_property
    def _quantities(self) -> dict[str, Quantity]:
        return {of.name: of for of in quantities.given(self.sizes.inputs, self.backward, self.filled)}

    @property
    def names(self) -> tuple[str, ...]:
        """The quantities that are there."""
        return tuple(self._quantities)

    @cached_property
    def _less_and_divisor(self) -> dict[str, tuple[float, Floats, bool]]:
        """Of each quantity, and whether multiplying by 1 over the divisors gives the same bits, sooner."""
        found = {name: self.sizes.less_and_divisor(of) for name, of in self._quantities.items()}
        return {name: (*both, bool(np.all(np.frexp(both[1])[0] == 0.5))) for name, both in found.items()}

    @cached_property
    def _are_moved(self) -> NDArray[np.bool_]:
        """(4,) whether any exponent of h, x, d, and of a layer's inputs, is not 0."""
        with_numbers = 4 if self.backward else 2  # what was not recorded is no number
        return np.array([k < with_numbers and bool(self.exponents[k].any()) for k in range(len(self.exponents))])

    def fold_groups(self, name: str, size: int, keys: KeyCounts) -> Columns:
        """A quantity's groups of ``size`` networks by the processor's loops, its numbers counted in ``keys``."""
        return columns.fold(self, name, size, keys)

    def values(
        self, name: str, networks: slice, layers: slice = slice(None), by_layer: bool = False
    ) -> tuple[Floats, Floats | None]:
        """(network, layer) numbers of a quantity of any magnitude, and their logarithms where one left float64.

        ``by_layer``: (layer, network) ones, contiguous.
        """
        quantity, here = self._quantities[name], (networks, layers)
        less, divisor, is_exact = self._less_and_divisor[name]
        divisor = divisor[layers]
        with np.errstate(all="ignore"):  # nothing over nothing, and what has left float64
            first, *others = (self.sums[column][here] for column in quantity.numerator)
            top = first
            for column in others:
                top = np.multiply(top, column, out=None if top is first else top)
            for column in quantity.denominator:
                top = np.divide(top, self.sums[column][here], out=None if top is first else top)
            pairs = zip(quantity.powers, self.exponents, self._are_moved, strict=True)
            terms = [power * exponents[here] for power, exponents, is_moved in pairs if power and is_moved]
            if by_layer:
                divisor = divisor[:, np.newaxis]
            top = np.array(top.T if by_layer else top, order="C")  # a copy: what follows is done in its place
            if less:
                top -= less
            if is_exact:
                top *= 1.0 / divisor
            else:
                top /= divisor
            if not terms:
                return top, None
            powers = sum(terms[1:], terms[0])
            return magnitudes.from_powers(top, np.ascontiguousarray(powers.T) if by_layer else powers)

    def networks(self, chosen: slice) -> Recorded:
        """Some of the networks, with none of the histograms."""
        start, _, _ = chosen.indices(self.count)
        return Recorded(
            self.first + start,
            self.sums[:, chosen].copy(),
            self.exponents[:, chosen].copy(),
            np.zeros_like(self.counts),
            self.sizes,
            self.filled,
            self.backward,
        )


def join(first: Recorded, second: Recorded) -> Recorded:
    """One block of two that follow each other; ValueError where they do not."""
    if first.first + first.count != second.first:
        raise ValueError("blocks do not follow each other")
    return Recorded(
        first.first,
        np.concatenate([first.sums, second.sums], axis=1),
        np.concatenate([first.exponents, second.exponents], axis=1),
        first.counts + second.counts,
        first.sizes,
        first.filled,
        first.backward,
    )
