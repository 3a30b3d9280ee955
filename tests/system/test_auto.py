"""``auto``: the method and the device by the prices of a kind of device, kept by resume, shards and workers.

The GPU is a stand-in that has its name and prices and computes as the processor does, so that bits can be compared.
"""

import json
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from conftest import assert_same_bits

import mcflow
from mcflow import plan
from mcflow.cli import call
from mcflow.errors import InputError, Unfinished
from mcflow.methods import choice, cost, prices, registry
from mcflow.model.case import Case
from mcflow.model.study import Study
from mcflow.running.workers import same_bits
from mcflow.sampling import cuda, devices

# Sizes of which a GPU takes real weights and a processor the collapsed law; small enough to be simulated at once.
SIZES = {"depth": 2, "width": 200, "batch": 32}
NAME = "kaiming_normal-relu"
ASKED = ("run", "--scheme", "kaiming_normal", "--activation", "relu", "--inputs", "gaussian", "--quiet")
ASKED = (*ASKED, "--depth", "2", "--width", "200", "--batch", "32")


def study(networks=40):
    return Study(Case("kaiming_normal", "relu", **SIZES), networks=networks)


class Gpu:
    """What was asked of the stand-in: the number of networks of each block, and whether a first kernel was tried."""

    def __init__(self, monkeypatch, start=0.0):
        self.blocks, self.tried, self.lost_after = [], 0, math.inf
        self.monkeypatch, self.start = monkeypatch, start

    def record(self, case, inputs, seed, first, count, **how):
        if len(self.blocks) >= self.lost_after:
            raise Unfinished("the GPU was lost")
        self.blocks.append(count)
        return devices.CPU.record(case, inputs, seed, first, count, **how)

    def reason(self):
        self.tried += 1
        return ""

    def plug_in(self, **changes):
        there = replace(
            devices.CUDA,
            record=self.record,
            record_groups=None,
            quick_reason=str,
            reason=self.reason,
            prices=replace(prices.CUDA, start=self.start),
        )
        self.monkeypatch.setattr(devices, "ALL", (replace(there, **changes), devices.CPU))
        return self

    def take_out(self):
        self.plug_in(quick_reason=lambda: "there is no NVIDIA driver (x); y", reason=lambda: "there is none")


@pytest.fixture
def gpu(monkeypatch):
    """A GPU without a start that would outweigh a test's few networks."""
    return Gpu(monkeypatch).plug_in()


def stated(path):
    import h5py

    with h5py.File(path) as file:
        case = file[NAME].attrs
        reasons = str(file.attrs.get("device_reason", "")), str(case["method_reason"])
        return str(case["method"]), str(case["device"]), str(file.attrs["device"]), reasons


def ran(path, networks=40, **how):
    mcflow.run(study(networks), path, **how).close()
    return stated(path)


def test_a_gpu_takes_weights_where_a_processor_takes_the_collapsed_law(gpu, tmp_path):
    found = ran(tmp_path / "a.h5")
    too_many = "32 inputs are too many for the collapsed law to be cheaper on a GPU"
    assert found == ("direct", "cuda", "cuda", ("", too_many))
    assert sum(gpu.blocks) == 40
    gpu.take_out()
    method, device, _, reasons = ran(tmp_path / "b.h5")
    assert (method, device) == ("collapsed", "cpu")
    assert reasons == ("there is no NVIDIA driver", "exact for normal weights and 1 x cheaper")


@pytest.mark.parametrize("shrunk", [0.1, 10.0])
def test_the_choice_goes_by_the_prices_of_the_kind_alone(gpu, tmp_path, monkeypatch, shrunk):
    """Not by this machine's cores, threads or load, nor by how many networks there are."""
    collapsed = tuple((most, shrunk * number, shrunk * pair) for most, number, pair in prices.CUDA.collapsed)
    of = replace(prices.CUDA, collapsed=collapsed, start=0.0)
    gpu.plug_in(prices=of)
    expected = "collapsed" if shrunk < 1 else "direct"
    for networks in (1, 10**9):
        prepared = plan.prepare(study(networks))
        assert (prepared.device, prepared.jobs[0].method) == ("cuda", expected)
    monkeypatch.setattr("mcflow.machine.cores", lambda: 512)
    assert plan.prepare(study(40)).jobs[0].method == expected


def test_a_study_begun_on_a_gpu_goes_on_with_its_method_on_a_processor(gpu, tmp_path, monkeypatch):
    monkeypatch.setattr(cost, "_LARGEST", 16)
    path, whole = tmp_path / "a.h5", tmp_path / "whole.h5"
    gpu.lost_after = 3  # blocks of eight networks, at the first: a part is whole
    with pytest.raises(Unfinished, match="the GPU was lost"):
        ran(path)
    assert list((tmp_path / "a.h5.parts").glob("case*"))
    gpu.take_out()
    method, device, root, (of_device, of_method) = ran(path, resume=True)
    assert (method, device, root) == ("direct", "cuda, cpu", "cuda, cpu")
    assert (of_device, of_method) == ("there is no NVIDIA driver", "as this study was begun")
    ran(whole, method="direct")
    assert_same_bits(path, whole)


def test_a_finished_study_is_continued_by_its_method_on_either_device(gpu, tmp_path):
    """More networks, GPU to processor and processor to GPU; ``auto`` stays with the device while it is there."""
    for begun_on, method in (("cuda", "direct"), ("cpu", "collapsed")):
        path, other = tmp_path / f"{begun_on}.h5", {"cuda": "cpu", "cpu": "cuda"}[begun_on]
        assert ran(path, 20, device=begun_on)[:2] == (method, begun_on)
        before = len(gpu.blocks)
        assert ran(path, 30, resume=True)[:2] == (method, begun_on)
        assert (len(gpu.blocks) > before) == (begun_on == "cuda")
        assert ran(path, 40, resume=True, device=other)[:2] == (method, f"{begun_on}, {other}")
        ran(tmp_path / "whole.h5", method=method, device="cpu", overwrite=True)
        assert_same_bits(path, tmp_path / "whole.h5")
    with pytest.raises(InputError, match="method of kaiming_normal-relu is collapsed there and direct here"):
        ran(tmp_path / "cpu.h5", 50, resume=True, method="direct")


def test_shards_take_one_method_on_any_kind_of_machine(gpu, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shard = [*ASKED, "--networks", "600", "--keep", "summary"]
    assert call([*shard, "--shard", "0/2", "-o", "s/0.h5"]) == 0
    assert gpu.blocks
    gpu.take_out()
    assert call([*shard, "--shard", "1/2", "-o", "s/1.h5"]) == 0
    assert call(["merge", "s", "-o", "a.h5"]) == 0
    assert stated("a.h5")[::2] == ("collapsed", "cuda, cpu")
    assert call([*shard, "--method", "collapsed", "-o", "whole.h5"]) == 0
    assert_same_bits(tmp_path / "a.h5", tmp_path / "whole.h5")


def test_shards_that_chose_differently_are_refused_by_name(gpu, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shard = [*ASKED, "--networks", "40"]
    for number, device in enumerate(("cuda", "cpu")):
        assert call([*shard, "--shard", f"{number}/2", "--device", device, "-o", f"s/{number}.h5"]) == 0
    capsys.readouterr()
    assert call(["merge", "s", "-o", "a.h5"]) == 2
    assert "method of kaiming_normal-relu is direct there and collapsed here" in capsys.readouterr().err


def test_workers_are_given_the_method_and_the_device(gpu, tmp_path, monkeypatch):
    with ThreadPoolExecutor(2) as pool:
        assert ran(tmp_path / "a.h5", executor=pool)[:2] == ("direct", "cuda")
    assert sum(gpu.blocks) == 40
    ran(tmp_path / "b.h5")
    assert_same_bits(tmp_path / "a.h5", tmp_path / "b.h5")
    prepared = plan.prepare(study())
    here = same_bits.agreement(prepared.jobs)
    gpu.take_out()  # a worker without one
    with pytest.raises(InputError, match="device='cuda': there is none"):
        here.check(prepared.jobs)


def test_a_small_study_stays_on_the_processor_and_says_why(monkeypatch, tmp_path, capsys):
    gpu = Gpu(monkeypatch, prices.CUDA.start).plug_in()
    monkeypatch.chdir(tmp_path)
    shown = [word for word in ASKED if word != "--quiet"]
    assert call([*shown, "--networks", "20", "--json", "-o", "a.h5"]) == 0
    said = capsys.readouterr()
    document = json.loads(said.out)
    why = document["device_reason"]
    assert why == "the study is small: under 0.1 s on cpu and about 4.0 s on cuda, its start included"
    assert f"collapsed, cpu ({why}) -> a.h5" in said.err
    (case,) = document["cases"]
    assert (document["device"], case["device"], case["method"]) == ("cpu", "cpu", "collapsed")
    assert case["method_reason"] == "exact for normal weights and 1 x cheaper"
    assert stated("a.h5")[3][0] == why
    assert (gpu.blocks, gpu.tried) == ([], 0)  # no first kernel is tried for a study that does not need one
    assert plan.prepare(study(10**9)).device == "cuda"
    assert plan.prepare(study(20), device="cuda").device_reason == ""
    assert plan.prepare(study(10**9), shards=10**8).device == "cpu"  # a shard is as small as its share


def test_a_study_that_a_gpu_has_no_kernel_for_stays_on_the_processor(gpu):
    chain = Study(Case("kaiming_normal", "relu", depth=3, width=64), networks=10**9)
    prepared = plan.prepare(chain, "chain")
    assert (prepared.device, prepared.device_reason) == ("cpu", "cuda has no kernel for this")


def test_gpus_by_number_are_asked_for_by_that(monkeypatch):
    from mcflow.running.workers import gpus

    assert [gpus.device_for(*asked) for asked in (("0,1", "auto"), (None, "auto"), ("0", "cpu"))] == [
        "cuda",
        "auto",
        "cpu",
    ]


def seconds_of(method, case, of=prices.CUDA):
    """Seconds a network of a whole device."""
    return registry.get(method).cost(case, case.features_or_width, of) * 1e-9 / of.places


@pytest.mark.parametrize(
    ("method", "scheme", "batch", "goal"),
    [
        ("direct", "kaiming_normal", 1, 4.2e11),
        ("direct", "kaiming_uniform", 1, 6.5e11),
        ("direct", "kaiming_normal", 8, 2.7e11),
        ("direct", "kaiming_normal", 16, 2.7e11),
        ("direct", "kaiming_normal", 128, 8e10),
        ("collapsed", "kaiming_normal", 1, 7e6 * 50 * 512**2),
        ("collapsed", "kaiming_normal", 4, 1e6 * 50 * 512**2),
        ("collapsed", "kaiming_normal", 16, 1e5 * 50 * 512**2),
    ],
)
def test_the_prices_of_a_gpu_are_the_rates_that_they_are_named_after(method, scheme, batch, goal):
    """Weights a second of width 512 and depth 50, within the quarter that the straight line leaves."""
    case = Case(scheme, "relu", depth=50, width=512, batch=batch)
    assert 50 * 512**2 / seconds_of(method, case) == pytest.approx(goal, rel=0.3 if batch == 8 else 0.06)
    assert method in cuda.METHODS


@pytest.mark.parametrize(("batch", "networks"), [(4, 5.8e4), (8, 2.1e4), (16, 6.6e3)])
def test_beyond_32_inputs_a_gpu_costs_what_was_measured_of_its_kernels(batch, networks):
    (_, number, pair) = prices.CUDA.collapsed[-1]
    taken = 50 * 512 * batch * (number + batch * pair) * 1e-9 / prices.CUDA.places
    assert taken == pytest.approx(1 / networks, rel=0.02)
    wide = Case("kaiming_normal", "relu", depth=50, width=1024, batch=33)
    assert choice.choose(wide, 1024, "auto", prices.CUDA).method == "direct"
    assert choice.choose(replace(wide, batch=32), 1024, "auto", prices.CUDA).method == "collapsed"


def test_the_processor_chooses_as_it_did():
    """Where the collapsed law ends: its 2.7 + 0.35 K against 1.45 + 0.05 (K - 1) nanoseconds, one unit of width n."""
    for batch in (1, 4, 16, 64):
        crossing = batch * (2.7 + 0.35 * batch) / (1.45 + 0.05 * (batch - 1))
        for width, method in ((int(crossing * 0.97), "direct"), (int(crossing * 1.03) + 1, "collapsed")):
            case = Case("kaiming_normal", "relu", depth=max(1, 10**5 // width**2 + 1), width=width, batch=batch)
            if width > 1 and registry.DIRECT.cost(case, width, prices.CPU) >= choice.SMALL:
                assert choice.choose(case, width, "auto").method == method, (batch, width)
