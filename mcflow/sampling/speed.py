"""This machine's speed: both methods in networks, layers and weights a second, beside the ceilings of the same run."""

from __future__ import annotations

import importlib
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mcflow.inputs.case_inputs import inputs_of
from mcflow.methods import registry as methods
from mcflow.model.case import Case
from mcflow.plural import counted
from mcflow.sampling import compiler, cpu, devices, sample
from mcflow.sampling.bins import Plan

REPEATS = 5
LEAST_SECONDS = 0.25  # of one repeat


@dataclass(frozen=True)
class Rate:
    """One measured rate: the median of the repeats, their spread (max - min) / median, and shares of the ceilings."""

    what: str
    threads: int
    networks_per_second: float
    layers_per_second: float
    weights_per_second: float
    spread: float
    share_of_normals: float | None
    share_of_sgemm: float | None


@dataclass(frozen=True)
class Ceilings:
    """One core's rates: Philox words and normals a second made in cache, sgemm floating-point operations a second."""

    words_per_second: float
    normals_per_second: float
    uniforms_per_second: float
    sgemm_flops: float


def measure(width: int = 512, depth: int = 50, threads: int | None = None) -> dict[str, Any]:
    """Ceilings, rates and versions as one plain document; takes about a minute.

    Each rate is the median of five repeats of at least a quarter of a second, forward and backward, ReLU.
    """
    compiler.require_compiler()
    cpu.set_threads(1)
    ceilings = Ceilings(**cpu.ceilings(_rate))
    rates = []
    cores = cpu.set_threads(threads)
    for method, scheme, batch in (
        ("direct", "kaiming_normal", 1),
        ("direct", "kaiming_normal", 16),
        ("direct", "kaiming_normal", 128),
        ("direct", "kaiming_uniform", 1),
        ("direct", "kaiming_uniform", 16),
        ("collapsed", "kaiming_normal", 1),
        ("collapsed", "kaiming_normal", 16),
        ("chain", "kaiming_normal", 1),
    ):
        for used in dict.fromkeys((1, cores)):
            cpu.set_threads(used)
            rates.append(_measure_case(method, Case(scheme, "relu", depth, width, batch=batch), used, ceilings))
    return {
        "width": width,
        "depth": depth,
        "ceilings": asdict(ceilings),
        "rates": [asdict(rate) for rate in rates],
        "peer": _peer(width),
        "machine": devices.describe(),
    }


def _measure_case(method: str, case: Case, threads: int, ceilings: Ceilings) -> Rate:
    inputs = inputs_of(case, 0)
    zeros = np.zeros(len(case.widths), np.int64)
    plan = Plan(0, zeros, zeros)

    def simulate(networks: int) -> float:
        sample.simulate(case, inputs, 0, 0, networks, method=method, plan=plan)
        return networks

    median, spread = _rate(simulate, threads)
    layers = median * len(case.widths)
    n, batch = case.widths[0], case.batch
    weights = layers * n * n
    # what the work would take at the ceilings: numbers drawn once, products forward and backward
    drawn = methods.get(method).normals(case, inputs.shape[1])
    flops = 4.0 * weights * batch
    source = ceilings.uniforms_per_second if "uniform" in case.scheme else ceilings.normals_per_second
    return Rate(
        f"{method} {case.rule.distribution}, {counted(batch, 'input')}",
        threads,
        median,
        layers,
        weights,
        spread,
        median * drawn / source / threads if drawn is not None else None,
        flops / ceilings.sgemm_flops / threads if methods.get(method).makes_weights else None,
    )


def _rate(work: Callable[[int], float], least: int = 1) -> tuple[float, float]:
    """Median and spread of units of ``work(times)`` a second; ``least`` times at least."""
    work(least)
    times = least
    while True:
        began = time.perf_counter()
        work(times)
        seconds = time.perf_counter() - began
        if seconds >= LEAST_SECONDS:
            break
        times = max(times + 1, min(100 * times, int(1.2 * times * LEAST_SECONDS / max(seconds, 1e-9))))
    rates = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        done = work(times)
        rates.append(done / (time.perf_counter() - began))
    median = statistics.median(rates)
    return median, (max(rates) - min(rates)) / median


def _peer(width: int) -> dict[str, Any] | None:
    """Weights a second that an installed PyTorch draws and multiplies on one thread, or None without it."""
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        return None
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        x, w = torch.randn(1, width), torch.empty(width, width)

        def draw_and_multiply(times: int) -> float:
            for _ in range(times):
                torch.mm(x, w.normal_())
            return times * width * width

        rate, spread = _rate(draw_and_multiply)
    finally:
        torch.set_num_threads(before)
    return {"name": "torch", "version": torch.__version__, "weights_per_second": rate, "spread": spread}
