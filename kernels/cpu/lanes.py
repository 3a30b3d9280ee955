"""The one parallel loop: lanes of networks, each walked through by one thread."""

import numpy as np
from numba import prange

from .._jit import call_unit, kernel, unit_for
from .passes import steps_for
from .turns import share_of


@kernel(parallel=True)
def _in_lanes(walk, steps, address, architecture, inputs, nonlinearity, counting, memory, rows, counts):
    lanes = counts.shape[0]
    counter, share = np.zeros(1, np.int64), share_of(rows.shape[1], lanes)
    for lane in prange(lanes):
        arguments = (
            lane, counter, share, steps, address, architecture, inputs, nonlinearity, counting, memory, rows, counts,
        )  # fmt: skip
        call_unit(walk, arguments)


def simulate(walk, address, architecture, inputs, nonlinearity, counting, memory, rows, counts):
    """Fill ``rows`` float64 (RECORDED, networks, L) and add to ``counts`` int64 (lanes, 2, L, BINS).

    A row holds the quantities, each lacking its power of two, and then the exponents of h, x and d.

    ``walk`` is that of ``direct``, ``collapsed``, ``one_input`` or ``chain``:
    it takes a lane, the counter and the share of its turns before the arguments.
    ``memory`` is a ``Memory``: whether to go backward, and where direct simulation makes and keeps weights.
    A network's numbers do not depend on which lane takes it, or how many there are: sums never cross networks.
    """
    steps = steps_for(architecture, inputs, nonlinearity, counting)
    arguments = (steps, address, architecture, inputs, nonlinearity, counting, memory, rows, counts)
    _in_lanes(unit_for(walk, 0, np.zeros(1, np.int64), 0, *arguments), *arguments)
