"""Launches of networks on one GPU: lanes of memory, copies beside computing, and how many blocks a device holds."""

import functools
from typing import NamedTuple

import numpy as np

from ..folded import RESULTS
from ..recorded import EXPONENTS, SUMS
from . import build, fold
from ._compile import SIMULATED, assemble, cuda
from .fold import Groups, Table
from .tuples import Address, Results, Scratch

_LAUNCHES = 4  # of a block, at least: while one computes, what is left of the one before is copied and read
_LEAST_LAUNCH = 256  # networks; fewer are not worth a launch of their own
_LAUNCH_BYTES = 1 << 28  # of a launch's sums and exponents, of which two are held
_MEMORY_SHARE = 0.5  # of what is free, for the scratch of all blocks of threads
_RESIDENT, _MOST_BLOCKS = 2048, 32  # threads that a multiprocessor holds, and blocks
_SHARED_OF_MULTIPROCESSOR = 100 << 10  # bytes, of the smallest that count (compute capability 8.6)
_MOST_COUNTS = 1 << 22  # numbers of the histograms by key of a launch: 16 MiB
# A thread for each column of a group; the loops over networks hold a dozen float64.
_FOLDING_THREADS, _FOLDING_REGISTERS = 4 if SIMULATED else 128, 96


class Room(NamedTuple):
    """What is held at a time: ``blocks`` of threads, ``networks`` of a launch, ``counts`` of its histograms by key.

    No number depends on it.
    """

    blocks: int
    networks: int
    counts: int


def room_for(plan, layers, count):
    """Room for a block of ``count`` networks, as much as is of use."""
    blocks = min(count, blocks_at_a_time(plan, layers))
    most = max(1, _LAUNCH_BYTES // (4 * layers * (SUMS + EXPONENTS)))
    return Room(blocks, min(most, max(_LEAST_LAUNCH, blocks, -(-count // _LAUNCHES))), _MOST_COUNTS)


def halved(room):
    """Half the room; None where there is none for one network at a time."""
    return None if max(room) == 1 else Room(*(max(1, size // 2) for size in room))


class Folded(NamedTuple):
    """What is left of the groups of a launch, on the host: see ``fold.py`` for ``results``, ``odd`` and ``table``.

    ``waiting`` bool (group, quantity, layer): where numbers are to be counted that have no place in ``table``.
    ``kept``: sums and exponents (network, layer, column) of the groups, by number, of which a column is odd or waiting.
    """

    results: np.ndarray
    odd: np.ndarray
    waiting: np.ndarray
    table: Table
    kept: dict


def simulate(work, first, count, room, counts):
    """Sums and exponents (column, network, L), in float64, of the ``count`` networks from ``first`` on.

    ``work`` is a ``Work``, ``counts`` int32 (2, L, BINS) on the device. Launches on two streams: each is copied and
    read while the next computes.
    """
    layers = work.architecture.width.size
    sums, exponents = np.empty((SUMS, count, layers)), np.empty((EXPONENTS, count, layers))
    step = min(room.networks, count)
    lanes = [_RowLane(work, step, room.blocks, sums, exponents) for _ in range(1 if step >= count else 2)]
    _in_turn(work, first, count, step, counts, lanes)
    return sums, exponents


def fold_networks(work, first, count, room, counts, recipe, size):
    """The same networks folded in groups of ``size``, the last one shorter: the ``Folded`` of each launch, in order.

    ``recipe`` is a ``fold.Recipe`` on the device. A launch is folded where it was computed, on its stream; once its
    keys are known it is counted there, while the next computes on the other stream.
    """
    step = min(max(1, room.networks // size) * size, count)
    found = []
    lanes = [
        _GroupLane(work, step, room.blocks, recipe, size, room.counts, found) for _ in range(1 if step >= count else 2)
    ]
    _in_turn(work, first, count, step, counts, lanes)
    for lane in lanes:
        lane.stream.synchronize()
    return found


def _in_turn(work, first, count, step, counts, lanes):
    """Launch all networks, a lane after the other; what is left of a launch is taken before its lane's next one."""
    starts = range(0, count, step)
    for number, start in enumerate(starts):
        lane = lanes[number % len(lanes)]
        lane.take()
        lane.launch(work, first + start, min(step, count - start), counts)
        lane.start = start
    for number in range(len(starts), len(starts) + len(lanes)):
        lanes[number % len(lanes)].take()


class _Walk:
    """A kernel of a ``Work``, and the scratch of its blocks."""

    def __init__(self, work, blocks):
        self.work, self.blocks = work, blocks
        layers = work.architecture.width.size
        size, self.tape = build.scratch_floats(work.plan, layers)
        self.floats = cuda.device_array((blocks, size), np.float32)
        self.carried = cuda.device_array((blocks, 3, layers + 1), np.int32)

    def launch(self, address, results, stream):
        """Queue the networks of an address on a stream."""
        work = self.work
        scratch = Scratch(self.floats, self.carried, work.plan.longest, self.tape)
        grid = min(self.blocks, address.networks)
        kernel = work.kernel[grid, work.plan.threads, stream, build.dynamic_bytes(work.plan)]
        kernel(address, work.architecture, work.inputs, work.nonlinearity, results, scratch)


class _Lane:
    """A stream with its own scratch, sums and exponents on the device.

    What becomes of a launch is ``_pass_on``'s, which queues it, and ``_read``'s, once it is there: nothing, here.
    """

    def __init__(self, work, networks, blocks):
        layers = work.architecture.width.size
        self.stream = cuda.stream()
        self.start, self.networks = 0, 0  # of the launch that has not been taken
        self.walk, self.rest = _Walk(work, blocks), None
        self.sums = cuda.device_array((networks, layers, SUMS), np.float32)
        self.exponents = cuda.device_array((networks, layers, EXPONENTS), np.int32)
        self.left = cuda.device_array(networks, np.int32)
        self.held_left = cuda.pinned_array(networks, np.int32)
        self.held_left[:] = 0

    def launch(self, work, first, networks, counts):
        """Queue a launch; returns at once."""
        self.networks = networks
        self.address = Address(work.keys, first, networks, work.counted)
        self.results = Results(self.sums, self.exponents, counts, self.left)
        self.walk.launch(self.address, self.results, self.stream)
        if work.rest is not None:
            self.left.copy_to_host(self.held_left, stream=self.stream)
        self._pass_on()

    def take(self):
        """Wait for the launch, and read it; networks that its kernel has left are walked through first."""
        if self.networks:
            self.stream.synchronize()
            if self.held_left[: self.networks].any():
                self._walk_the_rest()
                self._pass_on()
                self.stream.synchronize()
            self._read()
        self.networks = 0

    def _pass_on(self):
        pass

    def _read(self):
        pass

    def _walk_the_rest(self):
        if self.rest is None:
            rest = self.walk.work.rest
            most = blocks_at_a_time(rest.plan, rest.architecture.width.size)
            self.rest = _Walk(rest, min(self.walk.blocks, most))
        self.rest.launch(self.address, self.results, self.stream)


class _RowLane(_Lane):
    """The rows of launches on their way into ``into_sums`` and ``into_exponents`` (column, network, L)."""

    def __init__(self, work, networks, blocks, into_sums, into_exponents):
        super().__init__(work, networks, blocks)
        self.into = into_sums, into_exponents
        self.held = [cuda.pinned_array(each.shape, each.dtype) for each in (self.sums, self.exponents)]

    def _pass_on(self):
        for rows, held in zip((self.sums, self.exponents), self.held, strict=True):
            rows.copy_to_host(held, stream=self.stream)

    def _read(self):
        for into, held in zip(self.into, self.held, strict=True):
            into[:, self.start : self.start + self.networks] = np.moveaxis(held[: self.networks], 2, 0)


class _GroupLane(_Lane):
    """Launches folded where they were computed; what is left of each is appended to ``found``.

    Its counts are there when the stream is through.
    """

    def __init__(self, work, networks, blocks, recipe, size, most_counts, found):
        super().__init__(work, networks, blocks)
        self.recipe, self.size, self.most_counts, self.found = recipe, size, most_counts, found
        columns, groups = recipe.divisor.shape[::-1], -(-networks // size)
        shapes = (
            ((groups, RESULTS, *columns), np.float64),
            ((groups, 2, *columns), np.int32),
            ((groups, *columns), bool),
        )
        self.folded = [cuda.device_array(shape, kind) for shape, kind in shapes]
        self.held = [cuda.pinned_array(shape, kind) for shape, kind in shapes]
        self.places = cuda.device_array((3, *columns), np.int64)
        self.counts = None

    def _pass_on(self):
        self._start(fold.fold_groups)
        for folded, held in zip(self.folded, self.held, strict=True):
            folded.copy_to_host(held, stream=self.stream)

    def _start(self, kernel, *more):
        groups = Groups(self.networks, self.size, *self.folded)
        threads = -(-self.networks // self.size) * self.folded[2].shape[1] * self.folded[2].shape[2]
        started = _assembled(kernel)[-(-threads // _FOLDING_THREADS), _FOLDING_THREADS, self.stream]
        started(self.recipe, groups, self.sums, self.exponents, *more)

    def _read(self):
        """What the fold left, and queue its counting."""
        here = -(-self.networks // self.size)
        results, keys, odd = (held[:here].copy() for held in self.held)
        table, waiting = _count_places(keys, odd, self.most_counts)
        if len(table.counts):
            self._count(table)
        chosen = np.flatnonzero((odd | waiting).any(axis=(1, 2)))
        kept = {int(group): self._networks_of(group) for group in chosen}
        self.found.append(Folded(results, odd, waiting, table, kept))

    def _count(self, table):
        entries = len(table.counts)
        if self.counts is None or self.counts.size < entries:
            self.counts = cuda.device_array(1 << (entries - 1).bit_length(), np.int32)
        table.counts[:] = 0
        self.counts[:entries].copy_to_device(table.counts, stream=self.stream)
        self.places.copy_to_device(np.stack(table[1:]), stream=self.stream)
        self._start(fold.count_waiting, Table(self.counts, self.places[0], self.places[1], self.places[2]))
        self.counts[:entries].copy_to_host(table.counts, stream=self.stream)

    def _networks_of(self, group):
        here = slice(group * self.size, min((group + 1) * self.size, self.networks))
        return tuple(each[here].copy_to_host(stream=self.stream) for each in (self.sums, self.exponents))


def _count_places(keys, odd, most):
    """A ``Table`` for keys (group, 2, quantity, layer), shortest columns first, of at most ``most`` counts.

    And bool (group, quantity, layer) where numbers are to be counted that it has no place for.
    """
    to_count = ~odd & (keys[:, 1] >= 0)
    low = np.where(to_count, keys[:, 0], np.iinfo(np.int32).max).min(axis=0).astype(np.int64)
    length = np.where(to_count.any(axis=0), np.where(to_count, keys[:, 1], 0).max(axis=0) - low + 1, 0)
    order = np.argsort(length, axis=None, kind="stable")
    reached = np.cumsum(2 * length.ravel()[order])
    start = np.empty_like(length)
    start.ravel()[order] = reached - 2 * length.ravel()[order]
    too_many = start + 2 * length > most
    waiting = to_count & too_many
    length[too_many] = 0
    entries = int(2 * length.sum())
    counts = cuda.pinned_array(entries, np.int32) if entries else np.empty(0, np.int32)
    return Table(counts, start, low, length), waiting


@functools.cache
def _assembled(kernel):
    return assemble(kernel, _FOLDING_REGISTERS, fold)


def blocks_at_a_time(plan, layers):
    """Blocks of threads that fill the device, as far as their scratch fits its memory."""
    if SIMULATED:
        return 2
    device = cuda.get_current_device()
    resident = max(1, min(_MOST_BLOCKS, _RESIDENT // plan.threads))
    if build.dynamic_bytes(plan):
        resident = max(1, min(resident, _SHARED_OF_MULTIPROCESSOR // build.dynamic_bytes(plan)))
    floats, _ = build.scratch_floats(plan, layers)
    free = cuda.current_context().get_memory_info()[0]
    fitting = int(_MEMORY_SHARE * free / (2 * 4 * floats))
    return max(1, min(int(device.MULTIPROCESSOR_COUNT) * resident, fitting))
