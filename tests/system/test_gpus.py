"""Several GPUs: each has a process of its own and computes as many parts as it is fast; the file has the same bits.

The GPUs stand in: processors that wait, each by its number.
"""

import itertools
import threading
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import pytest
from conftest import assert_same_bits

from mcflow import plan
from mcflow.files.target import Target
from mcflow.methods import cost
from mcflow.model.case import Case
from mcflow.model.study import Study
from mcflow.running import run
from mcflow.running.interrupts import caught
from mcflow.running.progress import Silent
from mcflow.running.work import Assignment, Piece
from mcflow.running.workers import executor, gpus
from mcflow.sampling import devices

CASE = Case("kaiming_normal", "relu", depth=2, width=8)
SECONDS = {"0": 0.02, "1": 0.3}  # of a block on each


def stand_in(record=devices.CPU.record):
    return replace(devices.CUDA, record=record, record_groups=None, quick_reason=str, reason=str, count=lambda: 2)


def take_one(queue):
    """In a worker: the GPU that it was given computes as the processor does, and takes its time."""
    import os

    gpus._take_one(queue)
    mine = os.environ["CUDA_VISIBLE_DEVICES"]

    def record(case, inputs, seed, first, count, **how):
        time.sleep(SECONDS[mine])
        with open(os.environ["TEST_GPUS_DIARY"], "a", encoding="utf-8") as file:
            file.write(f"{mine}\n")
        return devices.CPU.record(case, inputs, seed, first, count, **how)

    devices.ALL = (stand_in(record), devices.CPU)


def test_a_slow_gpu_computes_fewer_parts_and_the_file_is_the_same(tmp_path, monkeypatch):
    diary = tmp_path / "diary"
    monkeypatch.setenv("TEST_GPUS_DIARY", str(diary))
    monkeypatch.setattr(cost, "_LARGEST", 16)
    monkeypatch.setattr(devices, "ALL", (stand_in(), devices.CPU))
    monkeypatch.setattr(gpus, "_take_one", take_one)
    study = Study(CASE, networks=16 * 80)
    prepared = plan.prepare(study, device="cuda")
    with gpus.crew("0,1", "cuda") as crew:
        run.run_to_file(prepared, Target(tmp_path / "a.h5"), run.Options(crew=crew), Silent())
    taken = Counter(diary.read_text().split())
    assert taken["1"] >= 1
    assert taken["0"] > 3 * taken["1"], taken
    run.run_to_file(plan.prepare(study, device="cpu"), Target(tmp_path / "b.h5"), run.Options(), Silent())
    assert_same_bits(tmp_path / "a.h5", tmp_path / "b.h5")


@pytest.mark.parametrize("times", [1, 40])
def test_workers_take_parts_as_they_are_fast(monkeypatch, times):
    """One is so many times slower: it takes about that share, though parts are kept in order and it has the first."""
    mine, number, taken = threading.local(), itertools.count(), Counter()

    def begin():
        mine.seconds = 0.004 * (times if next(number) == 0 else 1)

    def compute(assignment, here, threads):
        time.sleep(mine.seconds)
        taken[mine.seconds] += 1
        return b"%d" % assignment.piece.first

    monkeypatch.setattr(executor, "_compute_on_worker", compute)
    prepared = plan.prepare(Study(CASE), device="cpu")
    parts = [
        Assignment(Piece(0, first, 1), prepared.jobs[0], 0, True, "networks", prepared.identity, None)
        for first in range(240)
    ]
    with ThreadPoolExecutor(2, initializer=begin) as pool, caught() as interrupts:
        workers = executor.Workers(pool, 2)
        images = [image() for _, image in workers.compute(iter(parts), Silent(), interrupts)]
    assert images == [b"%d" % first for first in range(240)]  # in their order
    slow, fast = taken[0.004 * times], taken[0.004]
    if times == 1:
        assert slow == fast == 240
    else:
        assert 240 / (2 * times + 1) <= slow <= 240 / 15, taken


def test_what_waits_for_a_slow_worker_is_bounded():
    """A worker that never ends: the other computes so many parts and no more."""
    sent = []

    def submit(assignment):
        future = Future()
        sent.append(assignment)
        if assignment != 0:
            future.set_result(b"")
        return future

    window = executor._Window(iter(range(10_000)), submit, 2)
    assert window.fill()
    window.wait(0.0)
    assert len(sent) == 2 * executor._WINDOW
