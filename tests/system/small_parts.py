"""The command mcflow with parts of few networks, so that a short run has many of them.

Arguments: the networks of a part, ``kernels`` or ``stand-in``, then those of mcflow. The stand-in draws sums from NumPy
instead of simulating: tests that kill a run a hundred times look at what becomes of its files, not at its numbers.
"""

import sys
import time

import numpy as np
from mcflow.kernels import recorded

from mcflow.cli import main
from mcflow.methods import cost
from mcflow.sampling import cpu, sample
from mcflow.sampling.recorded import Recorded, Sizes


def draw_sums(case, inputs, seed, first, count, *, method="direct", device="cpu", backward=True, plan=None):
    """Sums that depend on seed and network alone, as those of the kernels do."""
    layers = len(case.widths)
    drawn = [
        np.random.Generator(np.random.Philox(key=[seed, network])).lognormal(size=(recorded.SUMS, layers))
        for network in range(first, first + count)
    ]
    counted = max(0, min(first + count, plan.networks) - first)
    counts = np.full((2, layers, recorded.BINS), counted)
    time.sleep(0.002)
    sizes = Sizes.of(case, inputs.shape[1])
    exponents = np.zeros((recorded.EXPONENTS, count, layers))
    return Recorded(first, np.stack(drawn, axis=1), exponents, counts, sizes, range(recorded.SUMS), backward)


if __name__ == "__main__":  # not in the processes that an executor starts from this file
    cost._LARGEST = cost._SMALLEST = cost._GROUP = int(sys.argv.pop(1))
    cost._LEAST_PARTS = 1 << 40  # no part is longer, however many networks there are
    if sys.argv.pop(1) == "stand-in":
        sample.record = draw_sums
        cpu.set_threads = lambda threads: threads or 1
    main()
