"""Networks folded as they come: fixed groups of them by compiled loops, and groups by pairs, whatever the blocks.

A group is ``size`` consecutive networks; groups are merged two by two, then those of two, and so on: a tree that is
fixed by the numbers of the networks. So neither threads nor blocks nor the sizes of parts change a bit of a summary.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mcflow.kernels import folded as at
from mcflow.sampling import columns, recorded
from mcflow.sampling.columns import Columns
from mcflow.sampling.grouped import Grouped
from mcflow.sampling.key_counts import KeyCounts
from mcflow.sampling.part import Part
from mcflow.sampling.recorded import Histograms, Recorded
from mcflow.statistics import magnitudes, moments, sketches, summaries
from mcflow.statistics.magnitudes import Floats
from mcflow.statistics.moments import Moments
from mcflow.statistics.sketches import Sketch
from mcflow.statistics.summaries import Accumulator


class Networks(Protocol):
    """Networks that are folded: sums (``Recorded``), rows (``KeptRows``), or groups of a device (``Grouped``)."""

    @property
    def count(self) -> int: ...
    @property
    def layers(self) -> int: ...
    @property
    def names(self) -> tuple[str, ...]: ...
    def fold_groups(self, name: str, size: int, keys: KeyCounts) -> Columns:
        """A quantity's groups of ``size`` networks, its numbers counted in ``keys``."""
        ...

    def values(self, name: str, networks: slice) -> tuple[Floats, Floats | None]:
        """(network, layer) numbers of a quantity, of any magnitude."""
        ...


@dataclass(frozen=True)
class KeptRows:
    """Rows by quantity, (network, layer), and logarithms of those of which some have left float64."""

    rows: Mapping[str, Floats]
    log2: Mapping[str, Floats]

    @property
    def count(self) -> int:
        return len(next(iter(self.rows.values())))

    @property
    def layers(self) -> int:
        return next(iter(self.rows.values())).shape[1]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.rows)

    def fold_groups(self, name: str, size: int, keys: KeyCounts) -> Columns:
        return columns.fold(self, name, size, keys)

    def values(
        self, name: str, networks: slice, layers: slice = slice(None), by_layer: bool = False
    ) -> tuple[Floats, Floats | None]:
        values, log2 = self.rows[name][networks, layers], self.log2.get(name)
        if log2 is not None:
            log2 = magnitudes.needed(values, log2[networks, layers])
        if by_layer:
            return np.ascontiguousarray(values.T), None if log2 is None else log2.T
        return values, log2


@dataclass(frozen=True)
class Node:
    """Consecutive networks folded: moments of values and of logarithms, and zeros, each (quantity, layer)."""

    value: Moments
    logarithm: Moments
    zeros: NDArray[np.int64]


class Folding:
    """Consecutive networks of one case on their way to one ``Accumulator`` of each quantity.

    ``size`` networks make a group, ``threads`` share the work. ``sketched``: with a histogram for quantiles.
    """

    def __init__(self, size: int, sketched: bool, threads: int = 1) -> None:
        self._size, self._sketched, self._threads = size, sketched, threads
        self._columns: dict[str, _Quantity] = {}
        self._tree = _Tree()
        self._rest: Recorded | None = None
        self._short: list[Node] = []
        self._counts = Histograms()

    def add(self, block: Recorded | Grouped) -> None:
        """Fold a block's whole groups; what is left of it waits for the next.

        Blocks that a device has folded are whole groups, but for the last one: ValueError where they are not.
        """
        self._counts.add(block.histograms)
        if isinstance(block, Grouped):
            if self._rest is not None or self._short:
                raise ValueError("a block folded by a device follows networks that are not whole groups")
            self.add_groups(block)
            return
        if self._rest is not None:
            block = recorded.join(self._rest, block)
        whole = block.count // self._size * self._size
        self._rest = block.networks(slice(whole, None)) if whole < block.count else None
        if whole == block.count:
            self.add_groups(block)
        elif whole:
            self.add_groups(block.networks(slice(0, whole)))

    def add_groups(self, block: Networks) -> None:
        """Fold whole groups; the last one may be shorter, as that of all is, or where networks after it are missing."""
        if not self._columns:
            self._columns = {name: _Quantity(name, block.layers, self._sketched) for name in block.names}
        if self._threads == 1:
            found = [each.fold(block, self._size) for each in self._columns.values()]
        else:
            with ThreadPoolExecutor(self._threads) as pool:
                found = list(pool.map(lambda each: each.fold(block, self._size), self._columns.values()))
        groups = _stack(found)
        if block.count % self._size:  # the last group of all has no other half
            self._short.append(_some(groups, slice(-1, None)))
            groups = _some(groups, slice(0, -1))
        self._tree.add(groups)

    def part(self, first: int, count: int) -> Part:
        """All that blocks have left as one part, after the last of them."""
        return Part(first, count, None, self.result(), *self._counts.pair)

    def result(self) -> dict[str, Accumulator]:
        """All of them as one, after the last."""
        if self._rest is not None:
            self.add_groups(self._rest)
            self._rest = None
        found = _accumulators(self._tree.total(self._short), self._columns)
        if not self._sketched:
            return found
        return {name: replace(of, sketch=self._columns[name].sketch()) for name, of in found.items()}


def folded_rows(part: Part, size: int) -> Iterator[Part]:
    """A part's rows folded, ``size`` networks to a group: pieces of as many groups as a power of two, as ``fold`` asks.

    A group that is short is a piece of its own.
    """
    block = KeptRows(part.rows or {}, part.log2)
    groups = _stack([_Quantity(name, block.layers, False).fold(block, size) for name in block.names])
    first = 0
    while first * size < part.count:
        whole = part.count // size - first
        end = first + (1 << whole.bit_length() - 1 if whole else 1)
        tree = _Tree()
        tree.add(_some(groups, slice(first, end)))
        networks = min(end * size, part.count) - first * size
        yield Part(part.first + first * size, networks, None, _accumulators(tree.total([]), block.names), None, None)
        first = end


def _accumulators(total: Node, names: Iterable[str]) -> dict[str, Accumulator]:
    """(quantity, layer) numbers by quantity, without sketches."""
    return {
        name: Accumulator(_row(total.value, number), _row(total.logarithm, number), total.zeros[number])
        for number, name in enumerate(names)
    }


class _Quantity:
    """One quantity: its groups as a device folds them, its histogram, and the rare columns that NumPy folds."""

    def __init__(self, name: str, layers: int, sketched: bool) -> None:
        self._name, self._sketched = name, sketched
        self._keys = KeyCounts(layers, sketched)
        self._zeros = np.zeros(layers, np.int64)  # of what the histogram counts

    def fold(self, block: Networks, size: int) -> Node:
        """(group, layer) numbers of the groups of a block."""
        folded = block.fold_groups(self._name, size, self._keys)
        results, odd = folded.results, folded.odd
        if self._sketched:
            for group in np.flatnonzero(folded.beside.any(axis=1)):
                values, log2 = block.values(self._name, slice(group * size, (group + 1) * size))
                chosen = np.where(folded.beside[group] & (values != 0), values, np.nan)
                self._keys.put_beside(sketches.sketch(chosen, log2))
        count, zeros, log_count = (results[of] for of in (at.COUNT, at.ZEROS, at.LOG_COUNT))
        count[odd], zeros[odd], log_count[odd] = 0, 0, 0
        self._zeros += zeros.sum(axis=0).astype(np.int64)
        value = Moments(count.astype(np.int64), results[at.MEAN], results[at.SPREAD])
        logarithm = Moments(log_count.astype(np.int64), results[at.LOG_MEAN], results[at.LOG_SPREAD])
        node = Node(value, logarithm, zeros.astype(np.int64))
        return self._with_odd(node, odd, block, size) if odd.any() else node

    def _with_odd(self, node: Node, odd: NDArray[np.bool_], block: Networks, size: int) -> Node:
        """With the groups' layers that hold numbers beyond 2^+-400, by their exponents and logarithms."""
        arrays = {name: np.array(getattr(node.value, name)) for name in ("count", "mean", "spread")}
        arrays["exponent"] = np.zeros(odd.shape, np.int64)
        logs = {name: np.array(getattr(node.logarithm, name)) for name in ("count", "mean", "spread")}
        zeros = node.zeros.copy()
        for group in np.flatnonzero(odd.any(axis=1)):
            values, log2 = block.values(self._name, slice(group * size, (group + 1) * size))
            values = np.where(odd[group], values, np.nan)
            log2 = None if log2 is None else np.where(odd[group], log2, np.nan)
            made = summaries.accumulate(values, self._sketched, log2)
            for into, of in ((arrays, made.value), (logs, made.logarithm)):
                for name, array in into.items():
                    array[group, odd[group]] = np.broadcast_to(getattr(of, name), odd.shape[1:])[odd[group]]
            zeros[group, odd[group]] = made.zeros[odd[group]]
            if made.sketch is not None:
                self._keys.put_beside(made.sketch)
        return Node(Moments(**arrays), Moments(**logs), zeros)

    def sketch(self) -> Sketch:
        """The histogram of all that was folded."""
        return self._keys.sketch(self._zeros)


class _Tree:
    """Groups merged by pairs: what waits for its other half, by the number of groups in it."""

    def __init__(self) -> None:
        self._waiting: list[Node | None] = []

    def add(self, groups: Node) -> None:
        """Take (group, quantity, layer) numbers of consecutive groups."""
        level = 0
        while len(groups.zeros):
            if level == len(self._waiting):
                self._waiting.append(None)
            before = self._waiting[level]
            if before is not None:
                groups = _chain([before, groups])
            pairs = len(groups.zeros) // 2
            self._waiting[level] = _some(groups, slice(2 * pairs, None)) if len(groups.zeros) % 2 else None
            groups = merge(_some(groups, slice(0, 2 * pairs, 2)), _some(groups, slice(1, 2 * pairs, 2)))
            level += 1

    def total(self, short: Sequence[Node]) -> Node:
        """All groups as one, larger sets before smaller, and ``short`` ones at last: (quantity, layer) numbers."""
        nodes = [node for node in [*reversed(self._waiting), *short] if node is not None]
        total = nodes[0]
        for node in nodes[1:]:
            total = merge(total, node)
        return Node(_row(total.value, 0), _row(total.logarithm, 0), total.zeros[0])


def merge(first: Node, second: Node) -> Node:
    """Two disjoint sets of networks as one."""
    return Node(
        moments.merge(first.value, second.value),
        moments.merge(first.logarithm, second.logarithm),
        first.zeros + second.zeros,
    )


def _stack(nodes: Sequence[Node]) -> Node:
    """(group, layer) numbers of several quantities as (group, quantity, layer) ones."""
    return _joined(nodes, lambda arrays: np.stack(arrays, axis=1))


def _chain(nodes: Sequence[Node]) -> Node:
    return _joined(nodes, np.concatenate)


def _joined(nodes: Sequence[Node], join: Any) -> Node:
    parts = []
    for of in ("value", "logarithm"):
        these = [getattr(node, of) for node in nodes]
        exponent: Any = 0
        if any(np.any(each.exponent) for each in these):
            exponent = join([np.broadcast_to(each.exponent, each.count.shape) for each in these])
        count, mean, spread = (join([getattr(each, name) for each in these]) for name in ("count", "mean", "spread"))
        parts.append(Moments(count, mean, spread, exponent))
    return Node(parts[0], parts[1], join([node.zeros for node in nodes]))


def _some(groups: Node, chosen: slice) -> Node:
    return Node(_row(groups.value, chosen), _row(groups.logarithm, chosen), groups.zeros[chosen])


def _row(of: Moments, chosen: int | slice) -> Moments:
    exponent = of.exponent[chosen] if isinstance(of.exponent, np.ndarray) else of.exponent
    return Moments(of.count[chosen], of.mean[chosen], of.spread[chosen], exponent if np.any(exponent) else 0)
