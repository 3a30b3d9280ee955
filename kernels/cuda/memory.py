"""The beginning of a network in a block of threads: where its memory lies. What both methods share."""

from ._compile import cuda
from .placeholders import BACKWARD, BATCH
from .tuples import Network


def tape_of_network(depth, column):
    """How many floats ``begin`` takes from the tape of a block."""
    return (depth * column if BACKWARD else 0) + (depth + 2) * BATCH


def begin(i, address, architecture, inputs, results, scratch, room):
    """Network ``i`` of a launch: slopes, squares and norms stand first in its block's tape."""
    depth = architecture.width.size
    tape = scratch.floats[cuda.blockIdx.x]
    column = scratch.longest * BATCH
    slopes = scratch.tape
    squares = slopes + (depth * column if BACKWARD else 0)
    norms = squares + (depth + 1) * BATCH
    after = norms + BATCH
    number = address.first + i
    return Network(
        number,
        number < address.counted,
        inputs.group,
        address.keys,
        column,
        results.sums[i],
        results.exponents[i],
        results.counts,
        tape[slopes:squares],
        tape[squares:norms],
        tape[norms:after],
        scratch.exponents[cuda.blockIdx.x],
        room,
    )
