"""Devices as objects of one registry: a further one is chosen, used and described without a line elsewhere."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from mcflow.cli import doctor
from mcflow.errors import InputError
from mcflow.inputs.case_inputs import inputs_of
from mcflow.methods import registry as methods
from mcflow.model.case import Case
from mcflow.running.workers import gpus
from mcflow.sampling import cuda, devices, sample, walks
from mcflow.sampling.bins import Plan

CASE = Case("kaiming_normal", "relu", depth=2, width=8)
NOTHING = np.zeros(2, np.int64)


@pytest.fixture
def next_one(monkeypatch):
    """A third device, which works here and is taken first; it computes as the processor does and says so."""
    asked = []

    def record(*arguments, **more):
        asked.append(more["method"])
        return devices.CPU.record(*arguments, **more)

    why_not = lambda case, method: "" if method in ("direct",) else "no kernel"  # noqa: E731
    new = replace(devices.CPU, name="next", record=record, why_not=why_not, describe=lambda: {"works": "yes"})
    monkeypatch.setattr(devices, "ALL", (new, *devices.ALL))
    return asked


def test_a_new_device_is_chosen_used_and_described(next_one):
    assert devices.choose("auto", lambda device: 1.0).device == "next"
    assert devices.device_for(CASE, "direct", "next") == "next"
    assert devices.device_for(CASE, "collapsed", "next") == "cpu"
    plan = Plan(0, NOTHING, NOTHING)
    block = sample.simulate(CASE, inputs_of(CASE, 0), 0, 0, 2, device="next", plan=plan)
    same = sample.simulate(CASE, inputs_of(CASE, 0), 0, 0, 2, device="cpu", plan=plan)
    assert next_one == ["direct"]
    assert all(np.array_equal(block.rows[name], same.rows[name]) for name in same.rows)
    assert next(iter(devices.describe())) == "cpu"
    assert doctor.examine()["next"] == {"works": "yes"}


def test_a_device_that_does_not_work_is_passed_over_and_refused_with_its_reason(monkeypatch, next_one):
    broken = replace(devices.ALL[0], reason=lambda: "it is broken; mend it")
    monkeypatch.setattr(devices, "ALL", (broken, devices.CPU))
    assert devices.choose("auto", lambda device: 1.0) == devices.Chosen("cpu", "it is broken")
    assert devices.choose("cpu", lambda device: 1.0) == devices.Chosen("cpu")
    with pytest.raises(InputError, match="device='next': it is broken; mend it"):
        devices.require("next")
    with pytest.raises(InputError, match=r"unknown device 'cdua'.*cuda"):
        devices.get("cdua")


def test_every_device_says_of_every_method_whether_it_has_its_kernel():
    assert [name for name in methods.names() if devices.CUDA.why_not(CASE, name)] == ["chain"]
    assert set(cuda.METHODS) < set(methods.names())
    assert not any(devices.CPU.why_not(CASE, name) for name in methods.names())


def test_a_method_without_a_walk_on_the_processor_is_refused_in_one_sentence(monkeypatch):
    """It may have a kernel on another device."""

    class Further(type(methods.DIRECT)):
        name = "further"

    monkeypatch.setattr(methods, "ALL", (*methods.ALL, Further()))
    assert devices.CPU.why_not(CASE, "further") == "method further has no kernel on the processor"
    plan = Plan(0, NOTHING, NOTHING)
    with pytest.raises(InputError, match="method 'further' has no kernel on the processor; known are chain, coll"):
        sample.simulate(CASE, inputs_of(CASE, 0), 0, 0, 2, method="further", plan=plan)
    monkeypatch.setitem(walks.OF, "further", walks.OF["direct"])
    assert devices.CPU.why_not(CASE, "further") == ""
    walks.walk_of.cache_clear()
    block = sample.simulate(CASE, inputs_of(CASE, 0), 0, 0, 2, method="further", plan=plan)
    assert block.rows["activation_mean"].shape == (2, 2)


def test_every_method_has_its_walk():
    assert list(walks.OF) == methods.names()


def test_numbers_name_devices_of_which_there_are_several(monkeypatch):
    with pytest.raises(InputError, match="this run is on the cpu; give --device cuda"), gpus.crew("0", "cpu"):
        pass
    monkeypatch.setattr(devices, "ALL", (replace(devices.CUDA, count=lambda: 2), devices.CPU))
    with pytest.raises(InputError, match="this process sees 2 GPUs, 0 to 1"), gpus.crew("0,2", "cuda"):
        pass


def test_the_registry_loads_no_compiler():
    text = "import sys, mcflow.sampling.devices as d; assert not {'numba', 'llvmlite', 'h5py'} & set(sys.modules), d"
    subprocess.run([sys.executable, "-c", text], check=True, timeout=60)


def test_devices_are_known_in_any_case_and_gpu_is_the_kind_that_there_is():
    assert [devices.named(text) for text in ("GPU", "gpu", "CUDA", "Cpu", "auto")] == [
        "cuda",
        "cuda",
        "cuda",
        "cpu",
        "auto",
    ]


def test_a_device_may_name_its_gpus():
    assert gpus.split("cuda:0,1", None) == ("cuda", "0,1")
    assert gpus.split("gpu:3", None) == ("gpu", "3")
    assert gpus.split("cuda", "2") == ("cuda", "2")
    with pytest.raises(InputError, match="give one of the two"):
        gpus.split("cuda:0", "1")
