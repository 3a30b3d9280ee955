"""Where one way to compute overtakes another: the measurements behind constants of the kernels.

    python tests/benchmarks/crossovers.py [--clock cpu] [products | weights]

``products``: own loops against sgemm for K inputs (FEW_INPUTS of kernels/cpu/products.py). ``weights``: keeping a
network's weights for the backward pass against making them again (`_kept_weights` of mcflow/sampling/cpu.py).
"""

from __future__ import annotations

import argparse

import numba
import numpy as np
import timing

from mcflow.inputs.case_inputs import inputs_of
from mcflow.model.case import Case
from mcflow.sampling import cpu, sample
from mcflow.sampling.bins import Plan


def products(clock):
    """Both products of a layer in the panels of direct simulation, own loops over sgemm: below 1, own are faster."""
    from mcflow.kernels.cpu import direct
    from mcflow.kernels.cpu import products as module
    from mcflow.kernels.cpu._compile import EXACT, copy_with

    ways = {
        (name, way): numba.njit(copy_with(getattr(module, name).py_func, f"{name}_{way}", FEW_INPUTS=few), **EXACT)
        for name in ("multiply", "multiply_transposed")
        for way, few in (("own", 1 << 30), ("sgemm", 0))
    }
    generator = np.random.default_rng(0)
    print("time of own loops over time of sgemm, forward / backward")
    counts = (1, 2, 3, 4, 5, 6, 8, 12, 16)
    print(f"{'width':>6s}" + "".join(f"{f'K = {k}':>14s}" for k in counts))
    for n in (64, 128, 256, 512, 1024, 2048):
        step = min(n, max(direct.LEAST_ROWS, direct.PANEL // n // 4 * 4))
        w = generator.standard_normal(step * n, dtype=np.float32)
        cells = []
        for k in counts:
            x, h = generator.standard_normal(k * n, dtype=np.float32), np.zeros(k * n, np.float32)
            scratch = np.empty(2 * k * (n + step), np.float32)
            layers = max(1, int(4e7 / (n * n * k)))
            works = {}
            for name, way in ways:
                works[name, way] = _layers_of(ways[name, way], name == "multiply", w, step, n, x, k, h, scratch, layers)
            found = timing.in_rounds(works, repeats=5, clock=clock)
            ratios = [
                found[name, "own"].seconds / found[name, "sgemm"].seconds
                for name in ("multiply", "multiply_transposed")
            ]
            cells.append(f"{ratios[0]:.2f} / {ratios[1]:.2f}")
        print(f"{n:6d}" + "".join(f"{cell:>14s}" for cell in cells), flush=True)


def _layers_of(multiply, forward, w, step, n, x, k, h, scratch, layers):
    from mcflow.kernels.cpu.products import Panel

    def work():
        for _ in range(layers):
            for first in range(0, n - step + 1, step):
                if forward:
                    multiply(Panel(w, 0, first, step, n), x, k, h, n, scratch)
                else:
                    multiply(Panel(w, 0, first, step, n), x, k, n, h, scratch)

    return work


def weights(clock):
    """Forward and backward with the weights kept, over made again: below 1, keeping is faster."""
    cpu.set_threads(1)
    print("time with weights kept over time with weights made again; 20 networks a call")
    print(
        f"{'width':>6s} {'depth':>6s} {'MB kept':>8s}"
        + "".join(f"{f'{s}, K = {k}':>18s}" for s in LAWS for k in (1, 16))
    )
    for n, depth in ((64, 50), (128, 50), (256, 50), (512, 20), (512, 50), (512, 150), (1024, 20), (2048, 10)):
        cells = []
        for scheme in LAWS.values():
            for batch in (1, 16):
                case = Case(scheme, "relu", depth=depth, width=n, batch=batch)
                x, plan = inputs_of(case, 0), Plan(0, np.zeros(depth, np.int64), np.zeros(depth, np.int64))
                networks = 20 * max(1, int(2e6 / (n * n * depth)))
                works = {budget: _with_budget(budget, case, x, networks, plan) for budget in (1 << 40, 0)}
                found = timing.in_rounds(works, repeats=3, clock=clock)
                cells.append(f"{found[1 << 40].seconds / found[0].seconds:.2f}")
        megabytes = (depth - 1) * n * n * 4 / 1e6
        print(f"{n:6d} {depth:6d} {megabytes:8.1f}" + "".join(f"{cell:>18s}" for cell in cells), flush=True)


LAWS = {"normal": "kaiming_normal", "uniform": "kaiming_uniform"}


def _with_budget(budget, case, x, networks, plan):
    def work():
        before, cpu._kept_weights = cpu._kept_weights, lambda case: budget
        try:
            sample.simulate(case, x, 0, 0, networks, method="direct", plan=plan)
        finally:
            cpu._kept_weights = before

    return work


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["products", "weights", "both"], default="both")
    parser.add_argument("--clock", choices=timing.CLOCKS, default="wall")
    options = parser.parse_args()
    print(timing.machine("mcflow", "numba", "numpy", "scipy"))
    timing.one_thread_of_blas()
    if options.what != "weights":
        products(options.clock)
    if options.what != "products":
        weights(options.clock)


if __name__ == "__main__":
    main()
