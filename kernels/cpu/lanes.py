"""The one parallel loop: lanes of networks, each walked through by one thread."""

from numba import prange

from .._jit import call_unit, kernel, unit_for
from .passes import steps_for


@kernel(parallel=True)
def _in_lanes(walk, steps, address, architecture, inputs, nonlinearity, counting, budget, rows, counts):
    lanes = counts.shape[0]
    for lane in prange(lanes):
        arguments = (lane, lanes, steps, address, architecture, inputs, nonlinearity, counting, budget, rows, counts)
        call_unit(walk, arguments)


def simulate(walk, address, architecture, inputs, nonlinearity, counting, budget, rows, counts):
    """Fill ``rows`` float64 (networks, QUANTITIES, L) and add to ``counts`` int64 (lanes, 2, L, BINS).

    ``walk`` is ``direct.walk`` or ``collapsed.walk``: it takes a lane and the number of lanes before the arguments.
    ``budget`` is how many float32 weights a thread may keep for the backward pass; negative for no backward pass.
    A network's numbers do not depend on how many lanes there are: sums never cross networks.
    """
    steps = steps_for(architecture, inputs, nonlinearity, budget >= 0, counting)
    arguments = (steps, address, architecture, inputs, nonlinearity, counting, budget, rows, counts)
    _in_lanes(unit_for(walk, 0, 0, *arguments), *arguments)
