"""Seconds of work on a GPU by the device's own clock."""

from __future__ import annotations

import statistics

from mcflow.kernels.cuda._compile import SIMULATED, cuda

REPEATS = 7


def seconds_of(work, repeats=None):
    """Median seconds of ``work(stream)`` by the device's own clock, after one call that compiles."""
    stream = cuda.stream()
    work(stream)
    stream.synchronize()
    times = []
    for _ in range(repeats or REPEATS):
        begin, end = cuda.event(), cuda.event()
        begin.record(stream)
        work(stream)
        end.record(stream)
        end.synchronize()
        times.append(begin.elapsed_time(end) / 1e3)
    return max(statistics.median(times), 1e-9)


def give_back():
    """Free what numba-cuda keeps to free later: others of this process need the memory."""
    if not SIMULATED:
        cuda.current_context().deallocations.clear()
