"""Lanes of networks, each walked through by one thread of Python's, without the interpreter's lock.

Not by Numba's parallel loops: their threads belong to OpenMP or TBB, which kill a forked child that computes, forbid
calls from two threads at once, or are not there; a thread that starts costs 50 us, a block of networks takes 0.1 s.

Threads take turns of ``share`` consecutive networks from one counter: one that the machine slows down takes fewer. Who
computes a network changes no bit of it.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ._compile import add_atomically, call_unit, copy_with, inner, kernel, unit_for
from .layer import steps_for
from .sums import RECORDED
from .tuples import Results, Turns

# Shares are small enough for the last ones to end together, and large enough for the counter to stay out of the way.
_SHARES_OF_A_LANE = 64
_LARGEST_SHARE = 64


def _share_of(networks, lanes):
    """How many networks a thread takes at once."""
    return max(1, min(_LARGEST_SHARE, networks // (_SHARES_OF_A_LANE * lanes)))


@inner
def _first_turn(counter, share):
    """The first network of a fresh share; ``counter`` is int64 (1,)."""
    return add_atomically(counter, share)


@inner
def _next_turn(done, counter, share):
    """The network after ``done``: of the same share, or of a fresh one."""
    return done + 1 if (done + 1) % share else _first_turn(counter, share)


@inner
def _clear(row):
    """NaN for all that may not be recorded; ``row`` is float64 (recorded, L)."""
    for quantity in range(row.shape[0]):
        for layer in range(row.shape[1]):
            row[quantity, layer] = np.nan


@inner
def _store(row, rows, i):
    """A finished row into ``rows`` float64 (recorded, networks, L)."""
    for quantity in range(row.shape[0]):
        for layer in range(row.shape[1]):
            rows[quantity, i, layer] = row[quantity, layer]


def _walk(turns, steps, block, results):
    """The networks of a block that this thread takes, one after the other (see ``simulate``)."""
    lane = turns.lane
    this, tape = start(steps, block, lane)  # noqa: F821  (a global of the copy that is compiled)
    rows = results.rows
    row = np.empty((rows.shape[0], rows.shape[2]))
    i = _first_turn(turns.counter, turns.share)
    while i < rows.shape[1]:
        network = block.address.first + i
        _clear(row)
        forward(this, tape, network, results.counts[lane], row)  # noqa: F821
        if block.memory.backward:
            backward(this, tape, network, results.counts[lane], row)  # noqa: F821
        _store(row, rows, i)
        i = _next_turn(i, turns.counter, turns.share)


def walk_of(method, start, forward, backward):
    """The walk of a method: ``start(steps, block, lane)`` makes what stays the same over its networks, and its tape.

    ``forward`` and ``backward`` take both, the network, and the counts and the row that they fill.
    """
    return copy_with(_walk, method, start=start, forward=forward, backward=backward)


@kernel()
def _in_lane(walk, turns, steps, block, results):
    call_unit(walk, (turns, steps, block, results))


def simulate(walk, block, rows, counts):
    """Fill ``rows`` float64 (RECORDED, networks, L) and add to ``counts`` int64 (lanes, 2, L, BINS).

    A row holds the sums of ``recorded.py``, each lacking its power of two, and then its exponents.

    ``walk`` is that of ``direct``, ``collapsed``, ``one_input`` or ``chain``; ``block`` a ``Block``.
    A network's numbers do not depend on which lane takes it, or how many there are: sums never cross networks.
    """
    if rows.shape[0] != RECORDED:  # compiled code would write beside it
        raise ValueError(f"rows are of {rows.shape[0]} sums and exponents, not of {RECORDED}")
    lanes = counts.shape[0]
    steps = steps_for(block.inputs, block.nonlinearity, block.counting)
    counter, share = np.zeros(1, np.int64), _share_of(rows.shape[1], lanes)
    turns = [Turns(lane, counter, share) for lane in range(lanes)]
    shared = (steps, block, Results(rows, counts))
    unit = unit_for(walk, turns[0], *shared)
    if lanes == 1:
        _in_lane(unit, turns[0], *shared)
        return
    with ThreadPoolExecutor(lanes - 1) as others:
        waiting = [others.submit(_in_lane, unit, turn, *shared) for turn in turns[1:]]
        _in_lane(unit, turns[0], *shared)
        for lane in waiting:
            lane.result()
