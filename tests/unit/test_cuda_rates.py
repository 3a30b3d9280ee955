"""The benchmark of a GPU without one: its rows, goals, time and one page of output, with rates that stand in."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def rates(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("cuda_rates")


class Now:
    """A clock that goes on by so many seconds at each look."""

    def __init__(self, step):
        self.step, self.time = step, 0.0

    def __call__(self):
        self.time += self.step
        return self.time


def test_every_row_of_the_goals_is_there_once(rates):
    named = {(row.method, row.law, row.batch, row.backward): row.goal for row in rates.ROWS}
    assert len(named) == len(rates.ROWS) == 13
    assert named["direct", "normal", 16, True] == 2.7e11
    assert named["collapsed", "normal", 16, True] == 1e5
    for row in rates.ROWS:
        assert row.case.rule.distribution.name == row.law
        assert (row.case.batch, row.case.widths) == (row.batch, (512,) * 50)
    assert len({row.name for row in rates.ROWS}) == 13


def test_goals_go_with_multiprocessors_and_clock(rates):
    assert rates.scale(132, 1.98) == 1.0
    assert rates.scale(66, 1.98) == 0.5
    assert rates.scale(66, 0.99) == 0.25
    row = rates.ROWS[0]
    cells = rates.line_of(rates.Measured(row, 4e11), 0.5).split()
    assert cells[-6:] == ["4.00e+11", "4.00e+11", "1.00", "-", "-", "-"]


def test_a_row_says_what_it_reached_of_its_goal_and_over_the_best_peer(rates):
    found = rates.Measured(rates.ROWS[10], 3.5e6, {"eager": 5e5, "compiled": 1.75e6})
    assert rates.line_of(found, 1.0).split("backward")[1].split() == [
        "3.50e+06", "7.00e+06", "0.50", "5.00e+05", "1.75e+06", "2.0",
    ]  # fmt: skip
    assert len(rates.head()) == len(rates.line_of(found, 1.0))


def test_a_row_that_cannot_run_gives_its_reason_and_the_others_run(rates):
    unready = {rates.ROWS[0]: "TypingError: no such function"}

    def rate(row):
        if row.method == "collapsed":
            raise MemoryError("out of\n  memory " + "and more " * 40)
        return 100.0

    def peer(width, depth, batch, uniform, backward, compiled):
        if batch == 4:
            raise ValueError("it is lost")
        return 2.0 if compiled else 1.0

    found = rates.measure(rates.ROWS, rates.Clock(1e9), unready, rate, {"direct": peer, "collapsed": peer})
    texts = [rates.line_of(each, 1.0) for each in found]
    assert max(len(line) for text in texts for line in text.splitlines()) <= rates.PAGE_WIDTH
    assert texts[0].splitlines()[1] == "    RuntimeError: TypingError: no such function"
    assert found[1].mcflow == 100.0 * 50 * 512**2
    assert texts[10].splitlines()[1].startswith("    MemoryError: out of memory and more and more ")
    assert found[1].torch == {"eager": 50 * 512**2, "compiled": 2.0 * 50 * 512**2}
    assert found[1].over_torch == 50.0
    assert [each.row.batch for each in found if not each.torch] == [4]
    assert found[11].reasons[1:] == ["torch: ValueError: it is lost"] * 2


def test_what_has_no_time_left_is_left_out(rates):
    asked = []
    late = rates.Clock(5.5, Now(1.0))

    def peer(width, depth, batch, uniform, backward, compiled):
        asked.append((batch, compiled))
        return 1.0

    found = rates.measure(rates.ROWS, late, {}, lambda row: 1.0, {"direct": peer, "collapsed": peer})
    assert [each.mcflow is not None for each in found] == [True] * 5 + [False] * 8
    assert found[5].reasons == ["TimeoutError: 5.5 s were over"]
    assert asked == []
    later = rates.Clock(20.5, Now(1.0))
    found = rates.measure(rates.ROWS, later, {}, lambda row: 1.0, {"direct": peer, "collapsed": peer})
    assert asked == [(1, False), (1, False), (4, False), (16, False), (1, False), (1, False), (1, False)]
    assert all(not each.reasons for each in found)


def test_forward_rows_are_set_beside_the_ceilings_that_bound_them(rates):
    forward = next(row for row in rates.ROWS if row.batch == 128 and not row.backward)
    by_name = {"float32, fused multiply-add": 5e13, "TF32 by mma.sync": 3e14, "normals alone": 1e12}
    (line,) = rates.shares([rates.Measured(forward, 1e11), rates.Measured(rates.ROWS[1], 1e11)], by_name)
    assert line.endswith("25.6 TFLOP/s, 0.51 of float32, 0.26 of TF32, 0.10 of normals alone")


def test_a_ceiling_that_cannot_be_measured_gives_its_reason(rates):
    def none():
        raise ValueError("TF32 takes compute capability 8.0")

    lines, measured = rates.ceilings(
        [("copy", "TB/s", 1e12, 3.35, lambda: 2e12), ("TF32", "TFLOP/s", 1e12, None, none)], rates.Clock(1e9)
    )
    assert measured == {"copy": 2e12}
    assert lines[0].split(None, 1)[1] == "                          2.00 TB/s (an H100's data sheet: 3.35)".strip()
    assert lines[1].endswith("- TFLOP/s  ValueError: TF32 takes compute capability 8.0")


def test_without_a_gpu_it_says_why_and_ends_well(rates, monkeypatch, capsys):
    monkeypatch.setattr(rates.cuda_detection, "examine", lambda: {"reason": "there is no NVIDIA driver", "devices": []})
    assert rates.main([]) == 0
    assert capsys.readouterr().out == "nothing is measured: there is no NVIDIA driver\n"
    assert not any(name in sys.modules for name in ("cuda_ceilings", "cuda_timing"))


def test_the_whole_of_it_is_one_page(rates, monkeypatch, capsys):
    """With a card, ceilings and peers that stand in."""
    import types

    found = {"reason": "", "devices": [{"name": "NVIDIA H100 80GB HBM3"}]}
    monkeypatch.setattr(rates.cuda_detection, "examine", lambda: found)
    monkeypatch.setattr(rates.cuda_detection, "simulated", lambda: False)
    names = ("float32, fused multiply-add", "TF32 by mma.sync", "normals alone", "uniforms alone", "copy", "words")
    ceilings = types.SimpleNamespace(ALL=[(name, "TFLOP/s", 1e12, 67.0, lambda: 6e13) for name in names])
    peers = types.SimpleNamespace(
        METHODS=dict.fromkeys(("direct", "collapsed"), lambda *_: 10.0),
        why_not=str,
        version=lambda: "PyTorch 2.11.0+cu130",
    )
    monkeypatch.setitem(sys.modules, "cuda_ceilings", ceilings)
    monkeypatch.setitem(sys.modules, "cuda_peers", peers)
    half = types.SimpleNamespace(MULTIPROCESSOR_COUNT=66, CLOCK_RATE=1_980_000)
    monkeypatch.setattr(rates, "current_device", lambda: half)
    monkeypatch.setattr(rates, "make_ready", lambda rows: {})
    monkeypatch.setattr(rates, "networks_a_second", lambda row: 30.0)
    monkeypatch.setattr(rates, "folded_a_second", lambda: 1e6)
    monkeypatch.setattr(rates.metadata, "version", lambda name: "1.2.3")
    assert rates.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 60
    assert max(map(len, lines)) <= 100
    assert sum(line.rstrip().endswith(" 3.0") for line in lines) == 13
    assert "NVIDIA H100 80GB HBM3, 66 multiprocessors, 1.98 GHz" in lines[0]
    assert lines[1].endswith("PyTorch 2.11.0+cu130; goals x 0.50")
    assert rates.card("x", types.SimpleNamespace(MULTIPROCESSOR_COUNT=9))[1] == 1.0  # no clock is told
    monkeypatch.setattr(peers, "why_not", lambda: "PyTorch is not installed")
    assert rates.main(["--no-torch"]) == 0
    assert "nothing stands beside them: PyTorch was not asked for" in capsys.readouterr().out


IN_THE_SIMULATOR = """
import json, sys
sys.path.insert(0, sys.argv[1])
import cuda_rates as rates
import cuda_timing
rates.WIDTH, rates.DEPTH, rates._SHORT = 4, 1, 1e-9
rates.REPEATS = cuda_timing.REPEATS = 1
rows = [rates.Row("direct", "uniform", 1, True, 1.0), rates.Row("collapsed", "normal", 1, False, 1.0)]
print(json.dumps([*map(rates.networks_a_second, rows), rates.folded_a_second(2, 2)]))
"""


def test_kernels_are_launched_and_timed(tmp_path):
    """In Numba's simulator, whose rates mean nothing: that it runs at all."""
    environment = dict(os.environ, NUMBA_ENABLE_CUDASIM="1", PYTHONPATH=os.pathsep.join(filter(None, sys.path)))
    command = [sys.executable, "-W", "ignore", "-c", IN_THE_SIMULATOR, str(BENCHMARKS)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert all(rate > 0 for rate in json.loads(done.stdout.splitlines()[-1]))
