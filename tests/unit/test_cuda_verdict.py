"""A first kernel is tried once for a driver, its devices, versions and a boot; whatever is in doubt is tried again."""

import json
import os
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from mcflow.sampling import cuda_detection, cuda_verdict

DEVICES = [{"name": "NVIDIA H100", "compute_capability": "9.0", "multiprocessors": 132, "memory_GB": 85.0}]
GOOD = {"reason": "", "devices": DEVICES}


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with a driver and one GPU, as far as files say; ``children`` counts trials, ``answer`` is theirs."""
    proc, sys_folder, cache = tmp_path / "proc", tmp_path / "sys", tmp_path / "cache"
    found = SimpleNamespace(proc=proc, sys=sys_folder, cache=cache, children=0, answer=GOOD, packages={})
    for path, text in {
        proc / "driver" / "nvidia" / "version": "NVRM version: NVIDIA UNIX Open Kernel Module  580.65.06",
        proc / "driver" / "nvidia" / "gpus" / "0" / "information": "Model: \t NVIDIA H100\nIRQ: 17\nGPU UUID: GPU-1\n",
        proc / "sys" / "kernel" / "random" / "boot_id": "0f1e",
        sys_folder / "module" / "nvidia" / "version": "580.65.06",
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(cuda_verdict, "PROC", proc)
    monkeypatch.setattr(cuda_verdict, "SYS", sys_folder)
    monkeypatch.setattr(cuda_verdict, "_driver_number", lambda: 13000)
    monkeypatch.setattr(cuda_verdict, "_version", lambda name: found.packages.get(name, "1.0"))
    monkeypatch.setattr(cuda_detection, "quick_reason", lambda: "")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(cache))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def run(command, **options):
        found.children += 1
        return SimpleNamespace(stdout=json.dumps(found.answer) + "\n", stderr="", returncode=0)

    monkeypatch.setattr(cuda_detection.subprocess, "run", run)
    cuda_detection.examine.cache_clear()
    yield found
    cuda_detection.examine.cache_clear()


def started():
    """What a process that has just started finds."""
    cuda_detection.examine.cache_clear()
    return cuda_detection.examine()


def kept(machine):
    return sorted((machine.cache / "mcflow").glob("first-kernel-*.json"))


def test_a_kernel_that_ran_is_not_tried_by_the_next_process(machine):
    first, second = started(), started()
    assert machine.children == 1
    assert first == second
    assert (second["reason"], second["devices"]) == ("", DEVICES)
    assert cuda_detection.count() == 1


CHANGES = {
    "driver": lambda m, _: (m.proc / "driver/nvidia/version").write_text("NVRM version: 590.1"),
    "module": lambda m, _: (m.sys / "module/nvidia/version").write_text("590.1"),
    "number": lambda m, patch: patch.setattr(cuda_verdict, "_driver_number", lambda: 13010),
    "boot": lambda m, _: (m.proc / "sys/kernel/random/boot_id").write_text("77aa"),
    "another device": lambda m, _: (m.proc / "driver/nvidia/gpus/0/information").write_text(
        "Model: NVIDIA H100\nGPU UUID: GPU-2\n"
    ),
    "no device": lambda m, _: (m.proc / "driver/nvidia/gpus/0/information").unlink(),
    "visible": lambda m, patch: patch.setenv("CUDA_VISIBLE_DEVICES", "0"),
    "toolkit": lambda m, patch: patch.setenv("CUDA_HOME", "/opt/cuda"),
    "libraries": lambda m, patch: patch.setenv("LD_LIBRARY_PATH", "/opt/lib"),
    "simulator": lambda m, patch: patch.setenv("NUMBA_ENABLE_CUDASIM", "1"),
    "python": lambda m, patch: patch.setattr(sys, "version", "3.14.0"),
    "environment": lambda m, patch: patch.setattr(sys, "executable", "/venv/bin/python"),
    "mcflow": lambda m, patch: patch.setattr(cuda_verdict, "__version__", "9.9"),
    **{
        name: lambda m, _, name=name: m.packages.update({name: "2.0"})
        for name in ("numba", "numba-cuda", "numpy", "llvmlite", "cuda-python", "cuda-bindings", "nvidia-nvvm")
    },
}


@pytest.mark.parametrize("what", CHANGES)
def test_whatever_changes_the_kernel_is_tried_again(machine, monkeypatch, what):
    started()
    CHANGES[what](machine, monkeypatch)
    started()
    assert machine.children == 2
    started()
    assert machine.children == 2


def test_what_changes_while_a_device_is_used_does_not_matter(machine):
    started()
    information = machine.proc / "driver/nvidia/gpus/0/information"
    information.write_text(information.read_text().replace("IRQ: 17", "IRQ: 18") + "Video BIOS: 96.00\n")
    started()
    assert machine.children == 1


def test_a_refusal_is_not_remembered(machine):
    machine.answer = {"reason": "the NVIDIA driver does not start; mend it"}
    assert started()["reason"].endswith("mend it")
    assert kept(machine) == []
    machine.answer = GOOD
    assert started()["reason"] == ""
    assert machine.children == 2


def test_a_verdict_lasts_a_day(machine):
    started()
    (path,) = kept(machine)
    for age in (0.9 * cuda_verdict.LASTS, 1.1 * cuda_verdict.LASTS, -100.0):  # the last: a clock that was set back
        at = time.time() - age
        os.utime(path, (at, at))
        started()
        if age == 0.9 * cuda_verdict.LASTS:
            assert machine.children == 1
    assert machine.children == 3


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"key": {}, "found": {"reason": "", "devices": [{"name": "x"}]}}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_verdict_is_ignored_and_replaced(machine, damage):
    started()
    (path,) = kept(machine)
    path.write_bytes(damage)
    assert started()["devices"] == DEVICES
    assert machine.children == 2
    started()
    assert machine.children == 2


@pytest.mark.parametrize("found", [{"reason": "", "devices": []}, {"reason": "no", "devices": DEVICES}, {}, [1], "x"])
def test_a_verdict_that_says_something_else_is_ignored(machine, found):
    started()
    (path,) = kept(machine)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"found": found}))
    assert started()["devices"] == DEVICES
    assert machine.children == 2


def test_a_folder_that_cannot_be_written_is_no_error(machine):
    machine.cache.write_text("a file where the folder should be")
    assert started()["reason"] == started()["reason"] == ""
    assert machine.children == 2
    assert "cannot be written" in cuda_detection.describe()["remembered"]


def test_two_at_once_leave_one_whole_verdict(machine):
    key = cuda_verdict.key()
    barrier = threading.Barrier(8)

    def write(number):
        barrier.wait()
        for _ in range(20):
            cuda_verdict.remember(key, {"reason": "", "devices": [{"name": "x" * 5000 * number}]})
            seen.append(cuda_verdict.remembered(key))

    seen = []
    threads = [threading.Thread(target=write, args=(number,)) for number in range(1, 9)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(seen) == 160
    assert None not in seen
    assert [path.name for path in (machine.cache / "mcflow").iterdir()] == [path.name for path in kept(machine)]


def test_verdicts_of_other_boots_are_thrown_away_in_the_end(machine):
    started()
    (old,) = kept(machine)
    at = time.time() - 1.1 * cuda_verdict.STALE
    os.utime(old, (at, at))
    (machine.proc / "sys/kernel/random/boot_id").write_text("77aa")
    started()
    assert old not in kept(machine)
    assert len(kept(machine)) == 1


def test_doctor_tries_anew_and_says_what_is_remembered(machine):
    started()
    found = cuda_detection.describe()
    assert machine.children == 2
    assert found["works"] == "yes"
    assert found["remembered"].startswith("yes")
    machine.answer = {"reason": "the device has gone; look at nvidia-smi"}
    found = cuda_detection.describe()
    assert (found["works"], machine.children) == ("no: the device has gone; look at nvidia-smi", 3)
    assert found["remembered"].startswith("no")
    started()  # what worked when it was remembered does not any more: doctor has thrown it away
    assert machine.children == 4


def test_the_simulators_kernel_is_remembered_by_a_real_child(tmp_path):
    environment = dict(os.environ, NUMBA_ENABLE_CUDASIM="1", NUMBA_CACHE_DIR=str(tmp_path))
    text = """
from mcflow.sampling import cuda_detection
tried, trials = cuda_detection._tried, []
cuda_detection._tried = lambda: trials.append(1) or tried()
found = cuda_detection.examine()
assert found["reason"] == "", found
assert found["devices"] == [{"name": "simulator"}], found
print(len(trials))
"""
    said = [
        subprocess.run(
            [sys.executable, "-c", text], env=environment, capture_output=True, text=True, timeout=120
        ).stdout
        for _ in range(2)
    ]
    assert said == ["1\n", "0\n"]


def test_a_user_without_a_home_has_no_verdict_and_no_error(monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pathlib.Path.home", homeless)
    key = cuda_verdict.key()
    assert cuda_verdict.remembered(key) is None
    assert not cuda_verdict.remember(key, {"reason": "", "devices": [{"name": "one"}]})
    cuda_verdict.forget(key)
