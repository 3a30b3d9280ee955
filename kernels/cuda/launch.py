"""Launches of networks on one GPU: lanes of memory, copies beside computing, and how many blocks a device holds."""

import numpy as np

from ..recorded import EXPONENTS, SUMS
from . import build
from ._compile import SIMULATED, cuda
from .tuples import Address, Results, Scratch

_LAUNCHES = 4  # of a block: while one computes, the rows of the one before are copied and read
_LEAST_LAUNCH = 256  # networks; fewer are not worth a launch of their own
_MEMORY_SHARE = 0.5  # of what is free, for the scratch of all blocks of threads
_RESIDENT = 2048  # threads that a multiprocessor holds
_SHARED_OF_MULTIPROCESSOR = 100 << 10  # bytes, of the smallest that count (compute capability 8.6)


def simulate(work, first, count, blocks, counts):
    """Sums and exponents (column, network, L), in float64, of the ``count`` networks from ``first`` on.

    ``work`` is a ``Work``, ``blocks`` how many blocks of threads run at a time, ``counts`` int32 (2, L, BINS) on the
    device. Launches on two streams: each is copied and read while the next computes.
    """
    layers = work.architecture.width.size
    step = max(_LEAST_LAUNCH, blocks, -(-count // _LAUNCHES))
    lanes = [_Lane(work, min(step, count), blocks, cuda.stream()) for _ in range(1 if step >= count else 2)]
    sums, exponents = np.empty((SUMS, count, layers)), np.empty((EXPONENTS, count, layers))
    waiting = []

    def read(lane, networks):
        lane.stream.synchronize()
        here = networks.stop - networks.start
        sums[:, networks] = np.moveaxis(lane.host_sums[:here], 2, 0)
        exponents[:, networks] = np.moveaxis(lane.host_exponents[:here], 2, 0)

    for number, start in enumerate(range(0, count, step)):
        lane = lanes[number % len(lanes)]
        if len(waiting) == len(lanes):
            read(*waiting.pop(0))
        networks = min(step, count - start)
        lane.launch(work, first + start, networks, counts)
        waiting.append((lane, slice(start, start + networks)))
    for lane, chosen in waiting:
        read(lane, chosen)
    return sums, exponents


class _Lane:
    """A stream with its own scratch and results, on the device and in memory that the device can copy to by itself."""

    def __init__(self, work, networks, blocks, stream):
        layers = work.architecture.width.size
        self.stream, self.blocks = stream, blocks
        size, self.tape = build.scratch_floats(work.plan, layers)
        self.floats = cuda.device_array((blocks, size), np.float32)
        self.carried = cuda.device_array((blocks, 3, layers + 1), np.int32)
        self.sums = cuda.to_device(np.zeros((networks, layers, SUMS), np.float32))
        self.exponents = cuda.to_device(np.zeros((networks, layers, EXPONENTS), np.int32))
        self.host_sums = cuda.pinned_array((networks, layers, SUMS), np.float32)
        self.host_exponents = cuda.pinned_array((networks, layers, EXPONENTS), np.int32)

    def launch(self, work, first, networks, counts):
        """Queue a launch and the copy of its rows; returns at once."""
        address = Address(work.seed, first, networks, work.counted)
        results = Results(self.sums, self.exponents, counts)
        scratch = Scratch(self.floats, self.carried, work.plan.longest, self.tape)
        grid = min(self.blocks, networks)
        kernel = work.kernel[grid, work.plan.threads, self.stream, build.dynamic_bytes(work.plan)]
        kernel(address, work.architecture, work.inputs, work.nonlinearity, results, scratch)
        self.sums.copy_to_host(self.host_sums, stream=self.stream)
        self.exponents.copy_to_host(self.host_exponents, stream=self.stream)


def blocks_at_a_time(plan, layers):
    """Blocks of threads that fill the device, as far as their scratch fits its memory."""
    if SIMULATED:
        return 2
    device = cuda.get_current_device()
    resident = max(1, _RESIDENT // plan.threads)
    if build.dynamic_bytes(plan):
        resident = max(1, min(resident, _SHARED_OF_MULTIPROCESSOR // build.dynamic_bytes(plan)))
    floats, _ = build.scratch_floats(plan, layers)
    free = cuda.current_context().get_memory_info()[0]
    fitting = int(_MEMORY_SHARE * free / (2 * 4 * floats))
    return max(1, min(int(device.MULTIPROCESSOR_COUNT) * resident, fitting))
