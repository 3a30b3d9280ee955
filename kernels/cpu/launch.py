"""Lanes of networks, each walked through by one thread of Python's, without the interpreter's lock.

Not by Numba's parallel loops: their threads belong to OpenMP or TBB, which kill a forked child that computes, forbid
calls from two threads at once, or are not there; a thread that starts costs 50 us, a block of networks takes 0.1 s.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ._compile import call_unit, kernel, unit_for
from .layer import steps_for
from .sums import RECORDED
from .turns import share_of


@kernel()
def _in_lane(walk, lane, counter, share, steps, address, architecture, inputs, nonlinearity, counting, memory, rows,
             counts):  # fmt: skip
    arguments = (
        lane, counter, share, steps, address, architecture, inputs, nonlinearity, counting, memory, rows, counts,
    )  # fmt: skip
    call_unit(walk, arguments)


def simulate(walk, address, architecture, inputs, nonlinearity, counting, memory, rows, counts):
    """Fill ``rows`` float64 (RECORDED, networks, L) and add to ``counts`` int64 (lanes, 2, L, BINS).

    A row holds the sums of ``recorded.py``, each lacking its power of two, and then its exponents.

    ``walk`` is that of ``direct``, ``collapsed``, ``one_input`` or ``chain``:
    it takes a lane, the counter and the share of its turns before the arguments.
    ``memory`` is a ``Memory``: whether to go backward, and where direct simulation makes and keeps weights.
    A network's numbers do not depend on which lane takes it, or how many there are: sums never cross networks.
    """
    if rows.shape[0] != RECORDED:  # compiled code would write beside it
        raise ValueError(f"rows are of {rows.shape[0]} sums and exponents, not of {RECORDED}")
    lanes = counts.shape[0]
    steps = steps_for(architecture, inputs, nonlinearity, counting)
    counter, share = np.zeros(1, np.int64), share_of(rows.shape[1], lanes)
    shared = (counter, share, steps, address, architecture, inputs, nonlinearity, counting, memory, rows, counts)
    unit = unit_for(walk, 0, *shared)
    if lanes == 1:
        _in_lane(unit, 0, *shared)
        return
    with ThreadPoolExecutor(lanes - 1) as others:
        waiting = [others.submit(_in_lane, unit, lane, *shared) for lane in range(1, lanes)]
        _in_lane(unit, 0, *shared)
        for lane in waiting:
            lane.result()
