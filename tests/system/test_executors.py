"""Executors: whoever computes the parts, the file has the same bits, and a lost worker costs no more than its part."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_same_bits, command_line

import mcflow
from mcflow import plan
from mcflow.errors import InputError, Unfinished
from mcflow.methods import cost
from mcflow.running.workers import executor, same_bits

STUDY = ("run", "--scheme", "kaiming_normal", "--activation", "relu", "--activation", "tanh")
STUDY = (*STUDY, "--depth", "3", "--width", "16", "--quiet")
CASES = [mcflow.Case(activation=name, depth=3, width=16) for name in ("relu", "tanh")]

needs_dask = pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="Dask is not installed")


@pytest.fixture
def few_networks_a_part(monkeypatch):
    monkeypatch.setattr(cost, "_LARGEST", 32)
    monkeypatch.setattr(cost, "_SMALLEST", 32)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of 300 networks in parts of 32, by one process."""
    path = tmp_path_factory.mktemp("whole") / "whole.h5"
    arguments = command_line(*STUDY, "--networks", 300, "-o", path, part=32)
    subprocess.run(arguments, capture_output=True, check=True)
    return path


@pytest.mark.usefixtures("few_networks_a_part")
def test_a_thread_pool_gives_the_same_bits_in_file_and_memory(whole, tmp_path):
    study = mcflow.Study(CASES, networks=300)
    with ThreadPoolExecutor(2) as pool:
        mcflow.run(study, tmp_path / "a.h5", executor=pool).close()
        assert_same_bits(whole, tmp_path / "a.h5")
        kept = mcflow.run(study, executor=pool)
    with mcflow.open(whole) as serial:
        assert kept["kaiming_normal-relu"].identical(serial["kaiming_normal-relu"].load())
    kept.close()


@pytest.mark.usefixtures("few_networks_a_part")
def test_processes_give_the_same_bits_and_resume_what_was_begun(whole, tmp_path):
    path = tmp_path / "a.h5"
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        mcflow.run(mcflow.Study(CASES, networks=50), path, executor=pool).close()
        mcflow.run(mcflow.Study(CASES, networks=300), path, executor=pool, resume=True).close()
        assert_same_bits(whole, path)
        mcflow.activations.register("mine", lambda x: x * 0.5, lambda x: 0.5)
        mine = mcflow.Case(activation="mine", depth=2, width=8)
        with pytest.raises(InputError, match="registered in Python are not sent"):
            mcflow.run(mcflow.Study([mine], networks=4), tmp_path / "b.h5", executor=pool)
        assert not (tmp_path / "b.h5.parts").exists()
        pool.submit(os._exit, 9)
        with pytest.raises((InputError, Unfinished), match=r"terminated abruptly|takes no more work"):
            mcflow.run(mcflow.Study(CASES, networks=400), path, executor=pool, resume=True)
    mcflow.run(mcflow.Study(CASES, networks=300), path, resume=True).close()
    assert_same_bits(whole, path)


def test_what_is_registered_here_works_on_threads(tmp_path):
    mcflow.activations.register("mine", lambda x: x * 0.5, lambda x: 0.5)
    with ThreadPoolExecutor(1) as pool:
        result = mcflow.run(mcflow.Study([mcflow.Case(activation="mine", depth=2, width=8)], networks=4), executor=pool)
    assert np.isfinite(result["kaiming_normal-mine"]["activation_second_moment"]).all()
    result.close()


def test_other_versions_kernels_and_functions_are_refused():
    jobs = plan.prepare(mcflow.Study(CASES[:1]), device="cpu").jobs
    here = same_bits.agreement(jobs)
    here.check(jobs)
    for i, (name, _) in enumerate(here.versions):
        other = replace(here, versions=(*here.versions[:i], (name, "other"), *here.versions[i + 1 :]))
        with pytest.raises(InputError, match=f"a worker has {name} .* and this process other"):
            other.check(jobs)
    with pytest.raises(InputError, match="is another on a worker"):
        replace(here, cases=((jobs[0].name, replace(here.cases[0][1], distribution="uniform")),)).check(jobs)


def test_what_is_no_executor_is_refused():
    with pytest.raises(InputError, match=r"is a int, not a concurrent\.futures\.Executor"):
        mcflow.run(CASES[0], executor=4)


@pytest.mark.usefixtures("few_networks_a_part")
def test_a_part_that_fails_is_tried_again_and_then_given_up(whole, tmp_path, monkeypatch):
    real, failures = executor._compute_on_worker, iter([True, True, False, True])

    def fail(*arguments):
        if next(failures, False):
            raise OSError("a worker's disk")
        return real(*arguments)

    monkeypatch.setattr(executor, "_compute_on_worker", fail)
    path = tmp_path / "a.h5"
    study = mcflow.Study(CASES, networks=300)
    with ThreadPoolExecutor(1) as pool:
        mcflow.run(study, path, executor=pool).close()
        assert_same_bits(whole, path)
        failures = iter([False, *[True] * 100])
        with pytest.raises(Unfinished, match=r"networks .* of kaiming_normal-relu failed on workers 3 times: OSError"):
            mcflow.run(replace(study, cases=tuple(CASES[:1])), tmp_path / "b.h5", executor=pool)
    assert [item.name[:16] for item in (tmp_path / "b.h5.parts").glob("case*")] == ["case000-from0000"]


@needs_dask
@pytest.mark.parametrize("count", [1, 3])  # two are killed at below
def test_dask_workers_give_the_same_bits(whole, mcflow_command, tmp_path, count):
    done = mcflow_command(*STUDY, "--networks", 300, "-o", "a.h5", "--dask", f"local:{count}", part=32)
    assert (done.returncode, done.stderr) == (0, "")
    assert_same_bits(whole, tmp_path / "a.h5")
    assert [item.name for item in tmp_path.iterdir()] == ["a.h5"]


@needs_dask
def test_a_killed_worker_costs_its_part_and_ctrl_c_leaves_whole_ones(mcflow_command, tmp_path):
    arguments = (*STUDY, "--width", "64", "--networks", 1500)
    process, folder = begin(arguments, tmp_path)
    victim = workers_of(process.pid)[-1]
    os.kill(victim, signal.SIGKILL)
    before = len(list(folder.glob("case*")))
    while len(list(folder.glob("case*"))) < before + 8:  # it goes on
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr, stderr
    assert not any(item.name.endswith(".tmp") or item.name == "lock" for item in folder.iterdir())
    for output, resume in (("a.h5", ["--resume"]), ("b.h5", [])):
        done = mcflow_command(*arguments, "-o", output, *resume, part=16)
        assert done.returncode == 0, done.stderr
    assert_same_bits(tmp_path / "a.h5", tmp_path / "b.h5")


def begin(arguments, folder):
    """A run on two Dask workers in a group of its own, once it has written parts."""
    process = subprocess.Popen(
        command_line(*arguments, "-o", "a.h5", "--dask", "local:2", part=16),
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while len(list((folder / "a.h5.parts").glob("case*"))) < 3:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    return process, folder / "a.h5.parts"


def workers_of(pid):
    """The processes that multiprocessing started, below ``pid`` (they are in its session)."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            session = int((folder / "stat").read_text().rpartition(")")[2].split()[3])
            if session == pid and b"spawn_main" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except (OSError, ValueError):
            continue
    return sorted(found)


@needs_dask
def test_no_scheduler_is_a_sentence(mcflow_command, monkeypatch):
    for where, words in (("tcp://127.0.0.1:9", "no Dask scheduler answers"), ("local:0", "give local:N")):
        refused = mcflow_command(*STUDY, "--networks", 8, "-o", "a.h5", "--dask", where)
        assert refused.returncode == 2
        assert refused.stderr.count("\n") == 1
        assert words in refused.stderr


def test_without_dask_the_option_says_what_to_install(monkeypatch, capsys, tmp_path):
    from mcflow.cli import call

    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *rest: None if name == "distributed" else find(name))
    monkeypatch.setitem(sys.modules, "distributed", None)  # an import of it fails, too
    assert call([*STUDY, "--networks", "8", "-o", str(tmp_path / "a.h5"), "--dask", "local:2"]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "mcflow: --dask needs Dask; pip install 'mcflow[dask]'\n")
    assert not list(tmp_path.iterdir())
