"""The one parallel loop: lanes of networks, each walked through by one thread."""

from numba import prange

from .._jit import call_unit, kernel, unit_for
from .passes import steps_for


@kernel(parallel=True)
def _in_lanes(walk, steps, address, architecture, inputs, nonlinearity, counting, memory, rows, counts):
    lanes = counts.shape[0]
    for lane in prange(lanes):
        arguments = (lane, lanes, steps, address, architecture, inputs, nonlinearity, counting, memory, rows, counts)
        call_unit(walk, arguments)


def simulate(walk, address, architecture, inputs, nonlinearity, counting, memory, rows, counts):
    """Fill ``rows`` float64 (networks, QUANTITIES, L) and add to ``counts`` int64 (lanes, 2, L, BINS).

    ``walk`` is that of ``direct``, ``collapsed``, ``one_input`` or ``chain``:
    it takes a lane and the number of lanes before the arguments.
    ``memory`` is a ``Memory``: whether to go backward, and where direct simulation makes and keeps weights.
    A network's numbers do not depend on how many lanes there are: sums never cross networks.
    """
    steps = steps_for(architecture, inputs, nonlinearity, counting)
    arguments = (steps, address, architecture, inputs, nonlinearity, counting, memory, rows, counts)
    _in_lanes(unit_for(walk, 0, 0, *arguments), *arguments)
