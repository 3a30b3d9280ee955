"""Which network a thread takes next, and the row of statistics that it leaves.

Threads take turns of ``share`` consecutive networks from one counter: one that the machine slows down takes fewer. Who
computes a network changes no bit of it.
"""

import numpy as np

from ._compile import add_atomically, inner

# Shares are small enough for the last ones to end together, and large enough for the counter to stay out of the way.
SHARES_OF_A_LANE = 64
LARGEST_SHARE = 64


def share_of(networks, lanes):
    """How many networks a thread takes at once."""
    return max(1, min(LARGEST_SHARE, networks // (SHARES_OF_A_LANE * lanes)))


@inner
def first_turn(counter, share):
    """The first network of a fresh share; ``counter`` is int64 (1,)."""
    return add_atomically(counter, share)


@inner
def next_turn(done, counter, share):
    """The network after ``done``: of the same share, or of a fresh one."""
    return done + 1 if (done + 1) % share else first_turn(counter, share)


@inner
def clear(row):
    """NaN for all that may not be recorded; ``row`` is float64 (recorded, L)."""
    for quantity in range(row.shape[0]):
        for layer in range(row.shape[1]):
            row[quantity, layer] = np.nan


@inner
def store(row, rows, i):
    """A finished row into ``rows`` float64 (recorded, networks, L)."""
    for quantity in range(row.shape[0]):
        for layer in range(row.shape[1]):
            rows[quantity, i, layer] = row[quantity, layer]
