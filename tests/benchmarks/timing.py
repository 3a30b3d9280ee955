"""How the benchmarks time: in rounds, each repeat between two short matrix products that tell quiet from busy.

A shared host may halve every rate for seconds at a time with no load to be seen. A repeat counts as clean where both
products beside it reach 80 % of the fastest seen in the process. Medians are over clean repeats; over all of them
where fewer than three are clean, and then the line says so.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

CLEAN = 0.8
PROBE_SECONDS = 0.01
# wall time, or this process's processor time where another process shares the processor (one thread only)
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


@dataclass(frozen=True)
class Timing:
    """Seconds of one piece of work: median, (largest - smallest) / median, repeats that were clean, and of all."""

    seconds: float
    spread: float
    clean: int
    repeats: int

    @property
    def note(self) -> str:
        return "" if self.clean >= 3 else f"  noisy: {self.clean} of {self.repeats} repeats clean"


class Probe:
    """GFLOP/s of a small sgemm that stays in cache, over some ten milliseconds."""

    def __init__(self, clock: str = "wall") -> None:
        self.clock = CLOCKS[clock]
        generator = np.random.default_rng(0)
        self.a, self.b = (generator.standard_normal((256, 256), dtype=np.float32) for _ in range(2))
        self.out = np.empty_like(self.a)
        self.best = 0.0
        for _ in range(20):
            self()

    def __call__(self) -> float:
        count, start = 0, self.clock()
        while (elapsed := self.clock() - start) < PROBE_SECONDS:
            np.matmul(self.a, self.b, out=self.out)
            count += 1
        rate = 2 * 256**3 * count / elapsed / 1e9
        self.best = max(self.best, rate)
        return rate


def in_rounds(works: dict[str, Callable[[], object]], repeats: int = 7, clock: str = "wall") -> dict[str, Timing]:
    """Time every piece of work once a round, so that what is compared ran side by side; each is run once before."""
    probe = Probe(clock)
    for work in works.values():
        work()
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            before = probe()
            start = probe.clock()
            work()
            elapsed = probe.clock() - start
            taken[name].append((elapsed, min(before, probe())))
    out = {}
    for name, pairs in taken.items():
        clean = [seconds for seconds, rate in pairs if rate >= CLEAN * probe.best]
        kept = clean if len(clean) >= 3 else [seconds for seconds, _ in pairs]
        median = statistics.median(kept)
        out[name] = Timing(median, (max(kept) - min(kept)) / median, len(clean), repeats)
    return out


def machine(*modules: str) -> str:
    """One line: processor, cores, Python, and the versions of the modules named."""
    from importlib import metadata

    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    except OSError:
        pass
    versions = [f"{module} {metadata.version(module)}" for module in modules]
    python = ".".join(map(str, sys.version_info[:3]))
    return f"{name}, {os.cpu_count()} cores; Python {python}, {', '.join(versions)}; {time.strftime('%Y-%m-%d')}"


def one_thread_of_blas() -> None:
    """Limit every BLAS of this process to one thread: NumPy's, and SciPy's, which compiled code calls."""
    import scipy.linalg.cython_blas  # noqa: F401  (a BLAS that is loaded later would not be limited)
    from threadpoolctl import threadpool_limits

    threadpool_limits(1, "blas")
