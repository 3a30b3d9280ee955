"""What of the kernels' speed reaches a user: networks a second of whole runs, beside those of the kernels alone."""

from __future__ import annotations

import functools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mcflow import plan
from mcflow.files.target import Target
from mcflow.inputs.case_inputs import inputs_of
from mcflow.methods import cost
from mcflow.model.case import Case
from mcflow.model.study import Study
from mcflow.plural import counted
from mcflow.running import run
from mcflow.running.progress import Silent
from mcflow.sampling import bins, cpu, devices, sample

PAIRS = 3  # of a short and a long run
SECONDS = 2.0  # that a long run takes at the least, of which a short one is an eighth
_BLOCK_SECONDS = 0.15
KINDS = (
    ("direct", "kaiming_normal", 1, "summary"),
    ("direct", "kaiming_normal", 16, "summary"),
    ("collapsed", "kaiming_normal", 1, "summary"),
    ("collapsed", "kaiming_normal", 16, "summary"),
    ("collapsed", "kaiming_normal", 1, "networks"),
)


@dataclass(frozen=True)
class WholeRun:
    """Networks a second of the kernels alone, and of each further network of a run into a file, medians of ``PAIRS``.

    ``share`` is the median of their ratios, each of two that were measured one after the other. The kernels of a
    device that folds by itself include that.
    """

    what: str
    device: str
    threads: int
    keep: str
    kernels_per_second: float
    networks_per_second: float
    share: float


def measure(width: int = 512, depth: int = 50, threads: int | None = None, device: str = "cpu") -> Iterator[WholeRun]:
    """Each of ``KINDS``, ReLU, forward and backward; some seconds for each. ``threads`` None is all of this process."""
    with tempfile.TemporaryDirectory(prefix="mcflow-") as folder:
        for method, scheme, batch, keep in KINDS:
            case = Case(scheme, "relu", depth, width, batch=batch)
            if not devices.get(device).why_not(case, method):
                yield _measure(case, method, keep, device, threads, Path(folder) / "study.h5")


def _measure(case: Case, method: str, keep: str, device: str, threads: int | None, path: Path) -> WholeRun:
    used = cpu.set_threads(threads)
    inputs, nothing = inputs_of(case, 0), np.zeros(len(case.widths), np.int64)
    record: Callable[..., object] = sample.record
    if keep == "summary":
        record = functools.partial(
            sample.record_groups, group=cost.group_size(cost.part_size(case, inputs.shape[1], method))
        )

    def kernels(networks: int) -> float:
        began = time.perf_counter()
        here = bins.Plan(0, nothing, nothing)
        record(case, inputs, 0, 0, networks, method=method, device=device, plan=here)
        return time.perf_counter() - began

    def whole(networks: int) -> float:
        prepared = plan.prepare(Study((case,), networks, keep=keep), method, device)
        began = time.perf_counter()
        run.run_to_file(prepared, Target(path, overwrite=True), run.Options(threads), Silent())
        return time.perf_counter() - began

    block = 8
    kernels(block)  # which may compile
    while (seconds := kernels(block)) < _BLOCK_SECONDS:
        block = max(block + 1, min(8 * block, int(1.2 * block * _BLOCK_SECONDS / max(seconds, 1e-6))))
    long = max(64, int(SECONDS / seconds * block))
    short = long // 8
    whole(short)
    of_kernels, of_runs, shares = [], [], []
    for _ in range(PAIRS):
        before = kernels(block)
        one, other = whole(short), whole(long)
        after = kernels(block)
        of_kernels.append(2 * block / (before + after))
        of_runs.append((long - short) / max(other - one, 1e-9))
        shares.append(of_runs[-1] / of_kernels[-1])
    return WholeRun(
        f"{method} {case.rule.distribution}, {counted(case.batch, 'input')}",
        device,
        used,
        keep,
        *(statistics.median(each) for each in (of_kernels, of_runs, shares)),
    )
