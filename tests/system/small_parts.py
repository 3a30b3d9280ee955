"""The command mcflow with parts of few networks, so that a short run has many of them.

Arguments: the networks of a part, ``kernels`` or ``stand-in``, then those of mcflow. The stand-in draws rows from NumPy
instead of simulating: tests that kill a run a hundred times look at what becomes of its files, not at its numbers.
"""

import sys
import time

import numpy as np

from mcflow.cli import main
from mcflow.methods import cost
from mcflow.quantities import ALL, HISTOGRAM_BINS
from mcflow.sampling import cpu, sample
from mcflow.sampling.blocks import Block


def draw_rows(case, inputs, seed, first, count, *, method="direct", device="cpu", backward=True, plan=None):
    """Rows that depend on seed and network alone, as those of the kernels do."""
    layers = len(case.widths)
    names = [quantity.name for quantity in ALL if backward or quantity.passes == "forward"]
    drawn = [
        np.random.Generator(np.random.Philox(key=[seed, network])).lognormal(size=(len(names), layers))
        for network in range(first, first + count)
    ]
    counted = max(0, min(first + count, plan.networks) - first)
    counts = np.full((layers, HISTOGRAM_BINS), counted)
    time.sleep(0.002)
    return Block(first, {name: np.stack([rows[i] for rows in drawn]) for i, name in enumerate(names)}, counts, counts)


if __name__ == "__main__":  # not in the processes that an executor starts from this file
    cost._LARGEST = cost._SMALLEST = int(sys.argv.pop(1))
    if sys.argv.pop(1) == "stand-in":
        sample.simulate = draw_rows
        cpu.set_threads = lambda threads: threads or 1
    main()
