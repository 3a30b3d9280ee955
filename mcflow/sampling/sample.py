"""Networks in, statistics out: the one door to the kernels, whatever the device."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mcflow.quantities import QUANTITIES
from mcflow.sampling.blocks import Block
from mcflow.sampling.cpu import _block, _held, _kept_weights, _lines, kernel_arguments, most_threads

if TYPE_CHECKING:
    from mcflow.model.case import Case
    from mcflow.sampling.bins import Plan


def simulate(
    case: Case,
    inputs: NDArray[np.float64],
    seed: int,
    first: int,
    count: int,
    *,
    method: str = "direct",
    device: str = "cpu",
    backward: bool = True,
    plan: Plan,
) -> Block:
    """Statistics of the networks first .. first + count - 1 of a case.

    ``inputs`` is (batch, features). The result depends on nothing but the arguments: not on threads or block sizes.
    Raises InputError for a method or device that cannot simulate the case.
    """
    if device == "cuda":
        from mcflow.sampling import cuda

        return cuda.simulate(case, inputs, seed, first, count, method=method, backward=backward, plan=plan)
    from threadpoolctl import threadpool_limits

    from mcflow.kernels.cpu import chain, collapsed, direct, launch, one_input
    from mcflow.kernels.cpu.sums import BINS, RECORDED
    from mcflow.kernels.cpu.tuples import Memory

    layers = len(case.widths)
    threads = max(1, min(getattr(_held, "threads", None) or most_threads(), count))
    rows = np.empty((RECORDED, count, layers))
    counts = np.zeros((threads, 2, layers, BINS), np.int64)
    arguments = kernel_arguments(case, inputs, seed, first, plan)
    size = 0
    if method == "direct":
        size = direct.floats_for(arguments[1], len(inputs), _kept_weights(case) if backward else 0)
    memory = Memory(backward, _lines(threads, size), np.empty((0, 0, 0, 0), np.float32))
    walk = {"direct": direct.walk, "collapsed": collapsed.walk, "chain": chain.walk}[method]
    if method == "collapsed" and len(inputs) == 1 and case.rule.distribution == "normal":
        walk = one_input.walk  # the same numbers, sooner
    with threadpool_limits(1, "blas"):  # the threads are ours; a BLAS of several would also change the bits
        launch.simulate(walk, *arguments, memory, rows, counts)
    absent = tuple(name for name in QUANTITIES if method == "chain" and not name.endswith("second_moment"))
    return _block(first, rows, counts, case, backward, arguments[2].exponent, absent)
