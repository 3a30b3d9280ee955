"""Rates of the kernels on one GPU beside its ceilings, their goals, and PyTorch on the same card in the same run.

python tests/benchmarks/cuda_rates.py [--seconds 180] [--no-torch]
Medians by the device's own clock. A row that cannot run says why; what is not begun after --seconds is left out.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from importlib import metadata
from multiprocessing import get_context

import numpy as np

from mcflow import Case, quantities
from mcflow.inputs.case_inputs import inputs_of
from mcflow.sampling import cuda_detection, sample
from mcflow.sampling.bins import Plan

WIDTH, DEPTH = 512, 50
# Goals are for an H100 of so many multiprocessors at so many GHz; another card's are as its product is to this one.
GOAL_MULTIPROCESSORS, GOAL_GHZ = 132, 1.98
LONGEST_REASON, PAGE_WIDTH = 60, 100
REPEATS = 5
_SHORT = 0.3  # seconds that a launch is made to last, about


@dataclass(frozen=True)
class Row:
    """One kind of work: ReLU, He weights. ``goal`` is in weights/s where weights are made, else in networks/s."""

    method: str
    law: str
    batch: int
    backward: bool
    goal: float

    @property
    def case(self) -> Case:
        return Case(f"kaiming_{self.law}", "relu", depth=DEPTH, width=WIDTH, batch=self.batch)

    @property
    def name(self) -> str:
        law = f" {self.law}" if self.method == "direct" else ""
        return f"{self.method}{law} K = {self.batch}{', with backward' if self.backward else ''}"

    @property
    def unit(self) -> float:
        """What of one network is counted: its weights, or itself."""
        return float(DEPTH * WIDTH**2) if self.method == "direct" else 1.0


ROWS = (
    Row("direct", "normal", 1, False, 8e11),
    Row("direct", "normal", 1, True, 4.2e11),
    Row("direct", "uniform", 1, False, 1.2e12),
    Row("direct", "uniform", 1, True, 6.5e11),
    Row("direct", "normal", 8, True, 2.7e11),
    Row("direct", "normal", 16, False, 5e11),
    Row("direct", "normal", 16, True, 2.7e11),
    Row("direct", "normal", 128, False, 1.5e11),
    Row("direct", "normal", 128, True, 8e10),
    Row("collapsed", "normal", 1, False, 2e7),
    Row("collapsed", "normal", 1, True, 7e6),
    Row("collapsed", "normal", 4, True, 1e6),
    Row("collapsed", "normal", 16, True, 1e5),
)


@dataclass
class Measured:
    """What a row came to: weights or networks a second by who made them, and why a number is not there."""

    row: Row
    mcflow: float | None = None
    torch: dict[str, float] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)

    @property
    def over_torch(self) -> float | None:
        return self.mcflow / max(self.torch.values()) if self.mcflow and self.torch else None


def scale(multiprocessors: int, gigahertz: float) -> float:
    """How many times the goals a card is to reach."""
    return multiprocessors * gigahertz / (GOAL_MULTIPROCESSORS * GOAL_GHZ)


def line_of(found: Measured, by: float) -> str:
    """A row of the table, and under it why a number is not there; at most PAGE_WIDTH wide."""
    goal = found.row.goal * by
    numbers = (found.mcflow, goal, found.mcflow / goal if found.mcflow else None)
    peers = (found.torch.get("eager"), found.torch.get("compiled"), found.over_torch)
    cells = [f"{found.row.name:<37}"]
    cells += [_cell(number, form) for number, form in zip((*numbers, *peers), _FORMS, strict=True)]
    said = [f"    {'; '.join(found.reasons)}"[:PAGE_WIDTH]] if found.reasons else []
    return "\n".join([" ".join(cells), *said])


_HEADS = ("mcflow", "goal", "of goal", "eager", "compiled", "over it")
_FORMS = (".2e", ".2e", ".2f", ".2e", ".2e", ".1f")


def _cell(number: float | None, form: str) -> str:
    return f"{'-' if number is None else format(number, form):>8}"


def head() -> str:
    """The head of the table."""
    return " ".join([f"{'weights/s; collapsed: networks/s':<37}", *(f"{word:>8}" for word in _HEADS)])


def reason_of(error: BaseException) -> str:
    """What a row says where it could not run."""
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words}"[:LONGEST_REASON].rstrip(": ")


def made_ready(row: Row) -> str:
    """In a process of its own: the row's kernel compiled and kept on disk; the reason where it cannot be."""
    case, nothing = row.case, np.zeros(DEPTH, np.int64)
    try:
        sample.record(
            case, inputs_of(case, 0), 0, 0, 2, method=row.method, device="cuda", backward=row.backward,
            plan=Plan(0, nothing, nothing),
        )  # fmt: skip
    except Exception as error:
        return reason_of(error)
    return ""


def make_ready(rows) -> dict[Row, str]:
    """All kernels compiled side by side, each in a process: the reasons of those that cannot be."""
    processes = max(1, min(len(rows), (os.cpu_count() or 1) - 1))
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        return dict(zip(rows, pool.map(made_ready, rows), strict=True))


def networks_a_second(row: Row) -> float:
    """Networks a second of the kernel alone, in a launch that is long enough to fill the device."""
    from cuda_timing import give_back, seconds_of
    from mcflow.kernels.cuda import launch
    from mcflow.kernels.cuda._compile import cuda

    from mcflow.sampling import cuda as host

    case, nothing = row.case, np.zeros(DEPTH, np.int64)
    work = host.work_of(case, inputs_of(case, 0), 0, row.method, row.backward, Plan(0, nothing, nothing), None)
    full = launch.blocks_at_a_time(work.plan, DEPTH)
    counts = cuda.to_device(np.zeros((2, DEPTH, 66), np.int32))

    def taken(networks, repeats):
        lane = launch._Lane(work, networks, min(networks, full))

        def start(stream):
            lane.stream = stream
            lane.launch(work, 0, networks, counts)

        return seconds_of(start, repeats)

    networks = 2 * full
    networks = max(networks, min(200_000, int(networks * _SHORT / taken(networks, 1))))
    networks -= networks % full if networks > full else 0  # every block has as many
    seconds = taken(networks, REPEATS)
    give_back()
    return networks / seconds


def folded_a_second(networks: int = 40_000, group: int = 256) -> float:
    """Networks a second that are folded on the device and counted, from sums that are there."""
    from cuda_timing import seconds_of
    from mcflow.kernels.cuda import fold, launch
    from mcflow.kernels.cuda._compile import cuda
    from mcflow.kernels.recorded import BINS, SUMS

    from mcflow.sampling import cuda as host
    from mcflow.sampling.recorded import Sizes

    case, nothing = Row("collapsed", "normal", 1, True, 1.0).case, np.zeros(DEPTH, np.int64)
    work = host.work_of(case, inputs_of(case, 0), 0, "collapsed", True, Plan(0, nothing, nothing), None)
    recipe = host._recipe(quantities.given(case.batch, True, range(SUMS)), Sizes.of(case, WIDTH))
    blocks = min(networks, launch.blocks_at_a_time(work.plan, DEPTH))
    lane = launch._GroupLane(work, networks, blocks, recipe, group, 1 << 22, [])
    lane.launch(work, 0, networks, cuda.to_device(np.zeros((2, DEPTH, BINS), np.int32)))
    lane.take()
    found = lane.found[0].table
    lane.stream.synchronize()

    def start(stream):
        lane.stream, lane.networks = stream, networks
        lane._start(fold.fold_groups)
        lane._count(found)

    return networks / seconds_of(start)


class Clock:
    """Seconds since the start, and whether there is time for one more piece of work."""

    def __init__(self, seconds: float, now=time.monotonic) -> None:
        self.now, self.begin, self.seconds = now, now(), seconds

    def taken(self) -> float:
        return self.now() - self.begin

    def refuse(self) -> None:
        """TimeoutError where the time is over."""
        if self.taken() > self.seconds:
            raise TimeoutError(f"{self.seconds:g} s were over")


def measure(rows, clock: Clock, unready: dict[Row, str], rate, peers=None) -> list[Measured]:
    """Every row by ``rate(row)`` and, where there are ``peers``, by them: eager all, then compiled as time allows.

    What cannot be had leaves its reason in the row.
    """
    found = [Measured(row) for row in rows]
    for each in found:
        try:
            clock.refuse()
            if unready.get(each.row):
                raise RuntimeError(unready[each.row])
            each.mcflow = rate(each.row) * each.row.unit
        except Exception as error:
            each.reasons.append(reason_of(error))
    # the row that PyTorch's compiler helps most comes first, as far as time goes
    order = sorted(found, key=lambda each: each.row.method != "collapsed") if peers else []
    for compiled in (False, True):
        for each in order:
            row = each.row
            try:
                clock.refuse()
                rate_of = peers[row.method]
                networks = rate_of(WIDTH, DEPTH, row.batch, row.law == "uniform", row.backward, compiled)
                each.torch["compiled" if compiled else "eager"] = networks * row.unit
            except TimeoutError:
                break
            except Exception as error:
                each.reasons.append(f"torch: {reason_of(error)}")
    return found


def ceilings(all_of, clock: Clock):
    """A line for each ceiling, and the measured ones by name."""
    lines, measured = [], {}
    for name, unit, size, stated, rate in all_of:
        try:
            clock.refuse()
            measured[name] = rate()
            beside = f" (an H100's data sheet: {stated:g})" if stated else ""
            lines.append(f"  {name:<30} {measured[name] / size:6.2f} {unit}{beside}")
        except Exception as error:
            lines.append(f"  {name:<30} {'-':>6} {unit}  {reason_of(error)}")
    return lines, measured


def shares(found: list[Measured], by_name: dict[str, float]) -> list[str]:
    """What of the ceilings rows reach that are bound by them: forward products, numbers drawn."""
    lines = []
    for each in found:
        if each.mcflow is None or each.row.method != "direct" or each.row.backward:
            continue
        flops = 2 * each.row.batch * each.mcflow
        said = [f"{flops / 1e12:.1f} TFLOP/s"]
        for ceiling, rate in (
            ("float32, fused multiply-add", flops),
            ("TF32 by mma.sync", 3 * flops),  # three products make one of float32
            (f"{each.row.law}s alone", each.mcflow),
        ):
            if ceiling in by_name:
                said.append(f"{rate / by_name[ceiling]:.2f} of {ceiling.split(',')[0].removesuffix(' by mma.sync')}")
        lines.append(f"  {each.row.name}: " + ", ".join(said))
    return lines


def current_device():
    """The device as numba-cuda has it."""
    from mcflow.kernels.cuda._compile import cuda

    return cuda.get_current_device()


def card(name: str, current) -> tuple[str, float]:
    """What the card is, and what its goals are to those of an H100."""
    gigahertz = getattr(current, "CLOCK_RATE", 0) / 1e6
    by = scale(int(current.MULTIPROCESSOR_COUNT), gigahertz) if gigahertz else 1.0
    clock = f"{gigahertz:.2f} GHz" if gigahertz else "clock not told, goals of an H100"
    return f"{name}, {current.MULTIPROCESSOR_COUNT} multiprocessors, {clock}", by


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=180.0, help="after so many, what is left is left out")
    parser.add_argument("--no-torch", action="store_true", help="without PyTorch, where it is installed")
    asked = parser.parse_args(arguments)
    clock = Clock(asked.seconds)
    found = cuda_detection.examine()
    reason = found["reason"] or ("the simulator's rates mean nothing" if cuda_detection.simulated() else "")
    if reason:
        print(f"nothing is measured: {reason}")
        return 0
    import cuda_ceilings
    import cuda_peers

    name, by = card(found["devices"][0]["name"], current_device())
    versions = [f"{each} {metadata.version(each)}" for each in ("mcflow", "numba", "numba-cuda", "numpy")]
    no_torch = "PyTorch was not asked for" if asked.no_torch else cuda_peers.why_not()
    print(f"{datetime.date.today()}: {name}; Python {platform.python_version()}")
    print(f"{', '.join(versions)}, {no_torch or cuda_peers.version()}; goals x {by:.2f}")
    unready = make_ready(ROWS)
    print(f"kernels of {len(ROWS)} rows compiled or read in {clock.taken():.0f} s")
    print("ceilings")
    lines, measured = ceilings(cuda_ceilings.ALL, clock)
    print("\n".join(lines), flush=True)
    print(f"width {WIDTH}, depth {DEPTH}, ReLU, float32")
    print(head())
    rows = measure(ROWS, clock, unready, networks_a_second, None if no_torch else cuda_peers.METHODS)
    for each in rows:
        print(line_of(each, by), flush=True)
    if no_torch:
        print(f"nothing stands beside them: {no_torch}")
    print("forward rows and their ceilings")
    print("\n".join(shares(rows, measured)))
    try:
        clock.refuse()
        print(f"folding on the device: {folded_a_second():.3g} networks/s")
    except Exception as error:
        print(f"folding on the device: - {reason_of(error)}")
    print(f"{clock.taken():.0f} s in all")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
