"""The main job's speed as ratios against NumPy in the same process, and what compilation and memory cost.

    python tests/benchmarks/rates.py [--clock cpu]

Times are wall times; ``--clock cpu`` takes processor time for what runs on one thread: for a machine in use.
Prints one line a figure, with the floor that it should reach where there is one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np
import timing

from mcflow.inputs.case_inputs import inputs_of
from mcflow.model.case import Case
from mcflow.sampling import cpu, sample
from mcflow.sampling.bins import Plan

N = 512
FIRST_KERNEL = """
import time; start = time.perf_counter()
import numpy as np
from mcflow.sampling import sample
from mcflow.sampling.bins import Plan
from mcflow.inputs.case_inputs import inputs_of
from mcflow.model.study import default_study
case = default_study().cases[0]
plan = Plan(1, np.zeros(case.depth, int), np.zeros(case.depth, int))
sample.simulate(case, inputs_of(case, 0), 0, 0, 2, method="{method}", plan=plan)
print(time.perf_counter() - start)
"""
PEAK = """
import os, resource, tempfile
from mcflow import Case, Study, run
case = Case("kaiming_normal", "relu", depth=50, width=512, batch=16)
with tempfile.TemporaryDirectory() as folder:
    run(Study([case], networks={networks}), os.path.join(folder, "study.h5"), method="direct", threads={threads})
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def simulation(scheme, batch, networks, depth, **how):
    """A closure that simulates networks of width 512, and how many weights that draws and multiplies."""
    case = Case(scheme, "relu", depth=depth, width=N, batch=batch)
    inputs = inputs_of(case, 0)
    plan = Plan(0, np.zeros(depth, np.int64), np.zeros(depth, np.int64))
    how = {"method": "direct", "backward": False, "plan": plan} | how
    return lambda: sample.simulate(case, inputs, 0, 0, networks, **how), networks * depth * N * N


def numpy_loop(draw, batch, layers):
    """Draw a matrix into place and multiply, as a NumPy user does it."""
    w = np.empty((N, N), np.float32)
    x = np.ones((N,) if batch == 1 else (N, batch), np.float32)

    def work():
        for _ in range(layers):
            draw(out=w, dtype=np.float32)
            w @ x

    return work, layers * N * N


def panel_filler(count):
    """Draw standard normals alone, a panel at a time, by the very loop that the kernels call."""
    import ctypes

    from mcflow.kernels.body.rng import WEIGHTS, key_of, place_of
    from mcflow.kernels.cpu import direct, fill

    words = (ctypes.c_int64, ctypes.c_uint64, ctypes.c_int64) + (ctypes.c_uint64,) * 4
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, *words)(fill.distribution("normal").address)
    rows = direct.PANEL // N
    out = np.empty(rows * N, np.float32)
    place, low = (int(word) for word in place_of(1, 1, WEIGHTS))
    key = [int(word) for word in key_of(np.uint64(0))]

    def work():
        for first in range(0, count, rows):
            call(out.ctypes.data, N, first, rows, place, low, *key)

    return work, -(-count // rows) * rows * N


def matrix_product(batch, layers):
    """A layer's product alone, in the shape that direct simulation multiplies."""
    w = np.random.default_rng(0).standard_normal((N, N), dtype=np.float32)
    x, out = np.ones((batch, N), np.float32), np.empty((batch, N), np.float32)

    def work():
        for _ in range(layers):
            np.dot(x, w.T, out)

    return work, layers * N * N


def line(what, value, floor=None, note=""):
    bound = "" if floor is None else f"   (floor {floor})"
    print(f"{what:66s} {value:>10s}{bound}{note}", flush=True)


def one_core(clock):
    generator = np.random.Generator(np.random.SFC64(0))
    works = {
        "gaussian": simulation("kaiming_normal", 1, 20, 20),
        "gaussian, numpy": numpy_loop(generator.standard_normal, 1, 100),
        "uniform": simulation("kaiming_uniform", 1, 20, 20),
        "uniform, numpy": numpy_loop(generator.random, 1, 200),
        "gaussian, 128 inputs": simulation("kaiming_normal", 128, 8, 20),
        "normals alone": panel_filler(100 * N),
        "products alone, 128 inputs": matrix_product(128, 100),
    }
    cpu.set_threads(1)
    found = timing.in_rounds({name: work for name, (work, _) in works.items()}, clock=clock)
    rate = {name: weights / found[name].seconds for name, (_, weights) in works.items()}
    for name, timed in found.items():
        line(f"{name}: weights drawn and multiplied a second", f"{rate[name] / 1e9:.3f}e9", note=timed.note)
    for name, floor in (("gaussian", 4), ("uniform", 3)):
        line(f"{name}, 1 input, over NumPy", f"{rate[name] / rate[name + ', numpy']:.2f} x", floor)
    ceiling = 1.0 / (1.0 / rate["normals alone"] + 1.0 / rate["products alone, 128 inputs"])
    line("gaussian, 128 inputs, share of numbers + products", f"{rate['gaussian, 128 inputs'] / ceiling:.0%}", "50 %")


def two_cores():
    """Two threads over one, in rounds.

    Direct and backward at depth 50: the weights kept, 50 MB a thread, go beyond the last cache for one thread as for
    two. At depth 20 those of one thread stay in a cache of 32 MB that does not hold those of both.
    """
    import numba

    if numba.config.NUMBA_NUM_THREADS < 2:
        print("two threads: this process may use one processor only")
        return

    def on(threads, work):
        def timed():
            cpu.set_threads(threads)
            work()

        return timed

    for name, method, count, depth, backward in (
        ("direct, forward", "direct", 96, 20, False),
        ("direct, forward and backward", "direct", 48, 50, True),
        ("the same at depth 20", "direct", 96, 20, True),
        ("collapsed", "collapsed", 10_000, 20, True),
    ):
        work, _ = simulation("kaiming_normal", 1, count, depth, method=method, backward=backward)
        found = timing.in_rounds({"one": on(1, work), "two": on(2, work)})
        ratio = found["one"].seconds / found["two"].seconds
        line(f"{name}: two threads over one", f"{ratio:.2f} x", 1.9, found["two"].note)


def widths(clock):
    """Cost of a collapsed layer against its width, one input, forward and backward: the exponent of a power law."""
    sizes = (128, 256, 512, 1024, 2048, 4096)
    cpu.set_threads(1)
    works = {}
    for n in sizes:
        case = Case("kaiming_normal", "relu", depth=20, width=n)
        plan, count = Plan(0, np.zeros(20, np.int64), np.zeros(20, np.int64)), 400_000 // n
        inputs = inputs_of(case, 0)

        def simulate(case=case, inputs=inputs, plan=plan, count=count):
            sample.simulate(case, inputs, 0, 0, count, method="collapsed", plan=plan)

        works[str(n)] = simulate
    found = timing.in_rounds(works, clock=clock)
    per_layer = [found[str(n)].seconds / (400_000 // n * 20) for n in sizes]
    for n, seconds in zip(sizes, per_layer, strict=True):
        line(f"collapsed, width {n}: a layer", f"{seconds * 1e6:.2f} us", note=found[str(n)].note)
    steps = np.diff(np.log(per_layer)) / np.log(2.0)
    line("collapsed: cost grows like width to the", f"{np.log(per_layer[-1] / per_layer[0]) / np.log(32):.2f}", "1.1")
    line("collapsed: the same from each width to the next", " ".join(f"{step:.2f}" for step in steps))


def child(code, **environment):
    """The last line that a fresh interpreter prints."""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=True)
    return float(done.stdout.strip().splitlines()[-1])


def compilation():
    """``mcflow run`` as a newcomer meets it, less what the same run takes again; a second process's first kernel."""
    command = [sys.executable, "-m", "mcflow", "run", "--quiet", "--networks", "32", "--overwrite", "-o"]
    for method in ("direct", "collapsed"):
        with tempfile.TemporaryDirectory() as folder:
            environment = os.environ | {"NUMBA_CACHE_DIR": folder}
            seconds = []
            for _ in range(3):
                start = time.perf_counter()
                file = os.path.join(folder, "study.h5")
                subprocess.run([*command, file, "--method", method], env=environment, capture_output=True, check=True)
                seconds.append(time.perf_counter() - start)
            second = min(child(FIRST_KERNEL.format(method=method), NUMBA_CACHE_DIR=folder) for _ in range(5))
        first, again = seconds[0], min(seconds[1:])
        line(f"{method}: compilation in the first run of the default study", f"{first - again:.1f} s", "25 s")
        line(f"{method}: that whole run with 32 networks, and again", f"{first:.1f} s, {again:.1f} s", "-")
        line(f"{method}: a second process, imports and first kernel", f"{second:.2f} s", "1.5 s")


def memory():
    for networks in (16, 96):
        peak = child(PEAK.format(networks=networks, threads=os.cpu_count()))
        line(f"peak memory, width 512, depth 50, 16 inputs, {networks} networks", f"{peak:.0f} MiB", "400 MB")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--clock", choices=timing.CLOCKS, default="wall")
    clock = options.parse_args().clock
    start = time.perf_counter()
    print(timing.machine("mcflow", "numba", "numpy", "scipy"))
    timing.one_thread_of_blas()
    one_core(clock)
    widths(clock)
    two_cores()
    compilation()
    memory()
    print(json.dumps({"seconds": round(time.perf_counter() - start, 1)}))


if __name__ == "__main__":
    main()
