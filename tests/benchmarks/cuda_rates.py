"""Rates on one GPU beside its two ceilings, copy bandwidth and float32 rate, measured in the same run; PyTorch beside.

python tests/benchmarks/cuda_rates.py
NUMBA_ENABLE_CUDASIM=1 python tests/benchmarks/cuda_rates.py --small     (does it run at all? its rates mean nothing)
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import platform
import statistics

import numba
import numpy as np
from mcflow.kernels.cuda import fold, launch
from mcflow.kernels.cuda._compile import SIMULATED, cuda
from mcflow.kernels.recorded import BINS, SUMS

from mcflow import Case, quantities
from mcflow.inputs.case_inputs import inputs_of
from mcflow.sampling import cuda as host
from mcflow.sampling import cuda_detection
from mcflow.sampling.bins import Plan
from mcflow.sampling.recorded import Sizes

REPEATS = 5
CHAINS = 8  # independent fused multiply-adds of a thread: enough to hide their latency
# The goals for one H200 (docs/benchmarks.md).
GOAL_GAUSSIAN, GOAL_UNIFORM, GOAL_COLLAPSED, GOAL_SHARE = 0.6e12, 1e12, 10e6, 0.4


def seconds_of(work):
    """Median seconds of ``work(stream)`` by the device's own clock, after one call that compiles."""
    stream = cuda.stream()
    work(stream)
    stream.synchronize()
    times = []
    for _ in range(REPEATS):
        begin, end = cuda.event(), cuda.event()
        begin.record(stream)
        work(stream)
        end.record(stream)
        end.synchronize()
        times.append(begin.elapsed_time(end) / 1e3)
    return max(statistics.median(times), 1e-9)


@cuda.jit
def copy(source, target):
    for i in range(cuda.grid(1), source.size, cuda.gridsize(1)):
        target[i] = source[i]


@cuda.jit
def multiply_and_add(out, turns, factor):
    mine = cuda.local.array(CHAINS, numba.float32)
    for k in range(CHAINS):
        mine[k] = out[cuda.grid(1)]
    for _ in range(turns):
        for k in range(CHAINS):
            mine[k] = mine[k] * factor + factor
    for k in range(1, CHAINS):
        mine[0] += mine[k]
    out[cuda.grid(1)] = mine[0]


def ceilings(small):
    """Bytes a second read and written by a copy, and float32 operations a second."""
    count = 1 << (10 if small else 28)
    blocks, threads = (2, 8) if small else (8 * cuda.get_current_device().MULTIPROCESSOR_COUNT, 256)
    source, target = cuda.to_device(np.zeros(count, np.float32)), cuda.device_array(count, np.float32)
    bandwidth = 8 * count / seconds_of(lambda stream: copy[blocks, threads, stream](source, target))
    turns = 10 if small else 20_000
    out = cuda.to_device(np.zeros(blocks * threads, np.float32))
    factor = np.float32(0.999)
    work = seconds_of(lambda stream: multiply_and_add[blocks, threads, stream](out, turns, factor))
    return bandwidth, 2 * CHAINS * turns * blocks * threads / work


def work_and_blocks(case, method, networks, backward):
    layers = len(case.widths)
    plan = Plan(0, np.zeros(layers, np.int64), np.zeros(layers, np.int64))
    job = host.work_of(case, inputs_of(case, 0), 0, method, backward, plan, None)
    return job, min(networks, launch.blocks_at_a_time(job.plan, layers))


def networks_a_second(case, method, networks, backward):
    """Networks a second of the kernel alone."""
    layers = len(case.widths)
    job, blocks = work_and_blocks(case, method, networks, backward)
    counts = cuda.to_device(np.zeros((2, layers, 66), np.int32))
    lane = launch._Lane(job, networks, blocks)

    def work(stream):
        lane.stream = stream
        lane.launch(job, 0, networks, counts)

    return networks / seconds_of(work)


def folded_a_second(case, networks, group):
    """Networks a second that are folded on the device and counted, from sums that are there."""
    job, blocks = work_and_blocks(case, "collapsed", networks, True)
    sizes = Sizes.of(case, case.widths[0])
    recipe = host._recipe(quantities.given(case.batch, True, range(SUMS)), sizes)
    lane = launch._GroupLane(job, networks, blocks, recipe, group, 1 << 22, [])
    counts = cuda.to_device(np.zeros((2, len(case.widths), BINS), np.int32))
    lane.launch(job, 0, networks, counts)
    lane.take()
    found = lane.found[0].table
    lane.stream.synchronize()

    def work(stream):
        lane.stream, lane.networks = stream, networks
        lane._start(fold.fold_groups)
        lane._count(found)

    return networks / seconds_of(work)


def torch_rate(width, networks):
    """Weights a second that PyTorch draws (randn) and multiplies (bmm) on the same card; None without PyTorch there."""
    if SIMULATED or importlib.util.find_spec("torch") is None:
        return None
    import torch

    if not torch.cuda.is_available():
        return None
    torch.backends.cuda.matmul.allow_tf32 = False
    weights = torch.empty(networks, width, width, device="cuda")
    x = torch.randn(networks, width, 1, device="cuda")
    times = []
    for _ in range(REPEATS + 1):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        x = torch.bmm(weights.normal_(), x) / width**0.5
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) / 1e3)
    return networks * width * width / statistics.median(times[1:])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="tiny sizes, to see that it runs")
    small = parser.parse_args().small
    found = cuda_detection.examine()
    if found["reason"]:
        raise SystemExit(f"nothing is measured: {found['reason']}")
    width, depth, many = (8, 2, 9) if small else (512, 50, 128)
    scale = 1 if small else 1000
    print(f"{datetime.date.today()}, {found['devices'][0]}, numba-cuda {found['numba_cuda']}, {platform.platform()}")
    if SIMULATED:
        print("SIMULATOR: no rate below means anything")
    bandwidth, flops = ceilings(small)
    print(f"ceilings: copy {bandwidth / 1e12:.3g} TB/s, float32 {flops / 1e12:.3g} TFLOP/s")
    weights = width * width * depth
    peer = torch_rate(width, 2 * scale)
    for scheme, goal in (("kaiming_normal", GOAL_GAUSSIAN), ("kaiming_uniform", GOAL_UNIFORM)):
        rate = weights * networks_a_second(Case(scheme, "relu", depth=depth, width=width), "direct", 2 * scale, False)
        beside = "" if peer is None else f", {rate / peer:.2f} x PyTorch's randn and bmm ({peer:.3g}/s)"
        print(f"direct {scheme}, 1 input, forward: {rate:.3g} weights/s, {rate / goal:.2f} of the goal{beside}")
    case = Case("kaiming_normal", "relu", depth=depth, width=width, batch=many)
    rate = 2 * many * weights * networks_a_second(case, "direct", max(2, scale // 4), False)
    print(
        f"direct, {many} inputs: {rate / 1e12:.3g} TFLOP/s, {rate / flops:.2f} of the float32 rate (goal {GOAL_SHARE})"
    )
    case = Case("kaiming_normal", "relu", depth=depth, width=width)
    rate = networks_a_second(case, "collapsed", 50 * scale if not small else 2, True)
    moved = 24 * width * depth * rate  # phi', basis and coordinates written and read
    print(
        f"collapsed, forward and backward: {rate:.3g} networks/s, {rate / GOAL_COLLAPSED:.2f} of the goal; "
        f"its tape moves {moved / bandwidth:.2f} of the copy bandwidth"
    )
    folded = folded_a_second(case, *((6, 2) if small else (40 * scale, 256)))
    print(f"folding: {folded:.3g} networks/s, {folded / rate:.1f} x as fast as they are computed")


if __name__ == "__main__":
    main()
