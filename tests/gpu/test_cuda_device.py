"""On a real GPU: the processor's networks, the theory's statistics, and memory. Elsewhere a skip with its reason."""

import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest
from networks import assert_same_rows, plan_of

from mcflow import Case, schemes
from mcflow.activations import registry
from mcflow.activations.formulas import PARAMETRIC, PLAIN
from mcflow.inputs.case_inputs import inputs_of
from mcflow.sampling import cuda_detection, sample

REASON = "the simulator is on" if cuda_detection.simulated() else cuda_detection.quick_reason()
if not REASON and not os.environ.get("MCFLOW_SKIP_GPU"):
    REASON = cuda_detection.reason()
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(bool(REASON), reason=f"no GPU: {REASON}")]


def both(case, method="direct", seed=3, first=0, count=8, **how):
    """The blocks of both devices."""
    values, how = inputs_of(case, seed), {"plan": plan_of(case, count)} | how
    return [sample.simulate(case, values, seed, first, count, method=method, device=d, **how) for d in ("cuda", "cpu")]


def assert_same_networks(case, method="direct", tolerance=1e-4, **how):
    mine, truth = both(case, method, **how)
    units = np.array(case.widths) * case.batch
    for i in range(mine.count):
        rows = [{name: row[i] for name, row in block.rows.items()} for block in (mine, truth)]
        assert_same_rows(*rows, units, tolerance)
    moved = np.abs(mine.preactivation_counts - truth.preactivation_counts).sum()
    assert moved <= 1e-4 * truth.preactivation_counts.sum() + 4


def test_normals_are_the_processors_as_far_as_stated():
    from mcflow.kernels.body import normal
    from mcflow.kernels.body.scalars import uint32
    from mcflow.kernels.cuda import bodies
    from mcflow.kernels.cuda._compile import cuda

    pair = bodies.normal_pair

    @cuda.jit
    def make(words, out):
        i = cuda.grid(1)
        if i < out.shape[0]:
            out[i, 0], out[i, 1] = pair(words[i, 0], words[i, 1])

    words = np.random.default_rng(1).integers(0, 1 << 32, (20_000, 2), np.uint32)
    words[:200, 0] = np.arange(200)
    words[200:1000, 0] = 2**32 - 1 - 64 * np.arange(800)  # radii near zero
    out = cuda.to_device(np.zeros(words.shape, np.float32))
    make[-(-len(words) // 128), 128](cuda.to_device(words), out)
    truth = np.array([normal.normal_pair(uint32(a), uint32(b)) for a, b in words])
    error, radius = np.abs(out.copy_to_host() - truth).max(1), np.hypot(*truth.T)
    assert error.max() < 7e-4
    assert error[radius > 0.1].max() < 4e-6
    assert np.mean(error) < 1e-6


def test_depth_fifty_relu_has_the_same_second_moments_to_a_ten_thousandth():
    case = Case("kaiming_normal", "relu", depth=50, width=512)
    for method in ("direct", "collapsed"):
        mine, truth = both(case, method, count=4)
        for name in ("preactivation_second_moment", "activation_second_moment", "gradient_second_moment"):
            np.testing.assert_allclose(mine.rows[name], truth.rows[name], rtol=1e-4)


@pytest.mark.parametrize("method", ["direct", "collapsed"])
@pytest.mark.parametrize("batch", [2, 4, 16])
def test_depth_fifty_with_several_inputs_has_the_same_second_moments_to_a_ten_thousandth(method, batch):
    """Tanh: no unit is within rounding of a kink, and inputs stay apart (cosines under 0.2 throughout)."""
    case = Case("lecun_normal", "tanh", depth=50, width=512, batch=batch)
    mine, truth = both(case, method, count=4)
    for name in ("preactivation_second_moment", "activation_second_moment", "gradient_second_moment"):
        np.testing.assert_allclose(mine.rows[name], truth.rows[name], rtol=1e-4)


@pytest.mark.parametrize("scheme", sorted(schemes.BUILTIN))
def test_every_scheme(scheme):
    bias = None if scheme == "torch_default" else 0.1
    assert_same_networks(Case(scheme, "tanh", width=[37, 20, 130, 12], features=50, batch=3, bias_std=bias))


@pytest.mark.parametrize("activation", [*PLAIN, *PARAMETRIC, "leaky_relu:-0.5"])
def test_every_activation(activation):
    assert_same_networks(Case("kaiming_normal", activation, depth=5, width=33, batch=2, correlation=0.3))


@pytest.mark.parametrize("batch", [1, 2, 5, 8, 9, 16, 40, 128, 300])
@pytest.mark.parametrize("method", ["direct", "collapsed"])
def test_any_number_of_inputs(method, batch):
    assert_same_networks(Case("xavier_normal", "gelu", width=[600, 70, 640], features=300, batch=batch), method)


@pytest.mark.parametrize("batch", [1, 3, 40])
@pytest.mark.parametrize(
    ("width", "features"), [([64, 64, 64], 64), ([97, 33, 200, 5], 50), ([512, 512], 300), ([1, 7, 2], 3)]
)
def test_orthogonal_direct(width, features, batch):
    assert_same_networks(Case("orthogonal", "tanh", width=width, features=features, batch=batch, bias_std=0.2))


def test_depth_fifty_orthogonal_has_the_same_second_moments_to_a_ten_thousandth():
    """In every network whose units are active alike: one within rounding of 0 may be on on one device alone.

    Of 8 x 50 x 256 units at most one is expected to be, and it shows in the count of active units.
    """
    mine, truth = both(Case("orthogonal", "relu", depth=50, width=256))
    alike = (mine.rows["active_fraction"] == truth.rows["active_fraction"]).all(axis=1)
    assert alike.sum() >= 6
    for name in ("preactivation_second_moment", "activation_second_moment", "gradient_second_moment"):
        np.testing.assert_allclose(mine.rows[name][alike], truth.rows[name][alike], rtol=1e-4)


@pytest.mark.parametrize("batch", [1, 4])
def test_orthogonal_collapsed(batch):
    assert_same_networks(Case("orthogonal", "tanh", depth=6, width=64, batch=batch, bias_std=0.2), "collapsed")


@pytest.mark.parametrize("derivative", [True, False])
def test_a_users_activation(derivative):
    name = f"gpu wave {derivative}"
    dphi = (lambda x: 1.0 + math.sin(2.0 * x)) if derivative else None
    registry.register(name, lambda x: x + math.sin(x) ** 2, dphi)
    assert_same_networks(Case("xavier_normal", name, depth=4, width=30, batch=3, bias_std=0.3))


@pytest.mark.parametrize("std", [1e-9, 1e9])
def test_values_far_outside_float32(std):
    for method in ("direct", "collapsed"):
        assert_same_networks(Case(f"normal:{std}", "relu", depth=12, width=64, batch=2), method)


def test_second_moments_beyond_float64_are_the_processors():
    for method in ("direct", "collapsed"):
        mine, truth = both(Case("normal:1", "relu", depth=200, width=256), method, count=4)
        for name in ("activation_second_moment", "gradient_second_moment"):
            assert name in mine.log2
            np.testing.assert_allclose(mine.log2[name], truth.log2[name], atol=1e-3)


@pytest.mark.parametrize(
    "case",
    [
        Case("lecun_normal", "sigmoid", width=512, depth=60, batch=16),
        Case("lecun_normal", "tanh", width=128, depth=200, batch=16, gain=0.8, bias_std=0.5),
        Case("orthogonal", "sigmoid", width=64, depth=60, batch=16),
    ],
    ids=lambda case: f"{case.scheme}-{case.activation}",
)
def test_inputs_that_become_equal_lose_no_network(case):
    mine, truth = both(case, "collapsed", count=40)
    for name, row in mine.rows.items():
        assert np.isfinite(row).all(), name
    for name in ("activation_second_moment", "gradient_second_moment"):
        first, second = (np.log(block.rows[name][:, 0]) for block in (mine, truth))
        error = math.hypot(first.std(), second.std()) / math.sqrt(len(first))
        assert abs(first.mean() - second.mean()) <= 5 * error + 1e-4


@pytest.mark.parametrize("activation", ["tanh", "elu", "sigmoid"])
def test_shares_of_units_are_of_the_function_at_any_gain(activation):
    mine, truth = both(Case("kaiming_normal", activation, width=64, depth=3, gain=50.0))
    assert (mine.rows["active_fraction"] == 1.0).all()
    np.testing.assert_allclose(mine.rows["saturated_fraction"], truth.rows["saturated_fraction"], atol=2 / 64)


@pytest.mark.parametrize("scheme", ["kaiming_normal", "orthogonal"])
def test_any_block_gives_the_same_bits(scheme):
    case = Case(scheme, "relu", depth=4, width=96, batch=2)
    values, plan = inputs_of(case, 3), plan_of(case)
    for method in ("direct", "collapsed"):
        how = {"method": method, "device": "cuda", "plan": plan}
        whole = sample.simulate(case, values, 3, 0, 2000, **how)
        later = sample.simulate(case, values, 3, 700, 5, **how)
        assert all(whole.rows[name][700:705].tobytes() == row.tobytes() for name, row in later.rows.items())


@pytest.mark.parametrize("method", ["direct", "collapsed"])
@pytest.mark.parametrize(("gain", "is_right"), [(1.0, True), (1.02, False)])
def test_mean_second_moment_is_the_theorys_and_a_gain_two_per_cent_off_is_seen(method, gain, is_right):
    case = Case("kaiming_normal", "relu", depth=10, width=128, gain=gain * math.sqrt(2.0))
    block = sample.simulate(
        case, inputs_of(case, 1), 1, 0, 20_000, method=method, device="cuda", backward=False, plan=plan_of(case)
    )
    found = block.rows["activation_second_moment"][:, -1]
    z = (found.mean() - 1.0) / (found.std(ddof=1) / math.sqrt(len(found)))
    assert (abs(z) <= 5) == is_right, z


IN_A_PROCESS = """
import hashlib, json, math, time
from networks import plan_of
from mcflow import Case
from mcflow.activations import registry
from mcflow.inputs.case_inputs import inputs_of
from mcflow.kernels.cuda import build
from mcflow.sampling import sample

factor = {factor}
registry.register("wave", lambda h: h + factor * math.sin(h) ** 2)
found = hashlib.sha256()
begin = time.perf_counter()
for method, activation in (("direct", "relu"), ("collapsed", "relu"), ("collapsed", "wave")):
    case = Case("kaiming_normal", activation, depth=4, width=64)
    block = sample.simulate(case, inputs_of(case, 3), 3, 0, 8, method=method, device="cuda", plan=plan_of(case, 8))
    for name in sorted(block.rows):
        found.update(block.rows[name].tobytes())
stats = [kernel.stats for kernel in build._built.values()]
hits, misses = (sum(sum(each.values()) for each in found) for found in zip(*[each[1:] for each in stats]))
print(json.dumps([hits, misses, found.hexdigest(), time.perf_counter() - begin]))
"""


def in_a_process(folder, factor=1.0):
    """Kernels that were read and compiled, a digest of all rows, and the seconds that it took."""
    environment = dict(os.environ, NUMBA_CACHE_DIR=str(folder), PYTHONPATH=os.pathsep.join(sys.path))
    command = [sys.executable, "-W", "ignore", "-c", IN_A_PROCESS.format(factor=factor)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_kernels_are_compiled_once_for_all_processes(tmp_path):
    """Built-in and a user's own; with the same bits, and another function of the same name on its own."""
    first, second = in_a_process(tmp_path), in_a_process(tmp_path)
    assert (first[:2], second[:2]) == ([0, 3], [3, 0])
    assert second[2] == first[2]
    print(f"compiled {first[3]:.1f} s, read {second[3]:.1f} s")
    changed = in_a_process(tmp_path, factor=1.0 + 2.0**-30)
    assert changed[:2] == [2, 1]
    for path in tmp_path.rglob("*.kernel"):
        path.write_bytes(path.read_bytes()[:-100])
    damaged = in_a_process(tmp_path)
    assert damaged[:2] == [0, 3]
    assert damaged[2] == first[2]


def test_a_kernel_made_ready_is_the_one_that_is_launched():
    import threading

    import numba
    from mcflow.kernels.cuda import _compile, build
    from mcflow.kernels.cuda._compile import cuda

    def add_one(numbers, by):
        i = cuda.grid(1)
        if i < numbers.size:
            numbers[i] += by

    kernel, numbers = _compile.kernel(add_one), cuda.to_device(np.zeros(64, np.float32))
    thread = threading.Thread(target=build.make_ready, args=(kernel, numbers, np.float32(1.0)))
    thread.start()
    thread.join()
    assert len(kernel.overloads) == 1
    kernel[2, 32](numbers, np.float32(1.0))
    assert (numbers.copy_to_host() == 1.0).all()
    assert list(kernel.overloads) == [(numba.types.Array(numba.float32, 1, "C"), numba.float32)]


def test_memory_does_not_grow_with_the_number_of_networks():
    from numba import cuda

    case = Case("kaiming_normal", "relu", depth=20, width=256)
    values, plan = inputs_of(case, 1), plan_of(case)

    def free_after(count):
        sample.simulate(case, values, 1, 0, count, device="cuda", plan=plan)
        return cuda.current_context().get_memory_info()[0]

    free_after(1000)
    # other processes of the suite take and give back memory of the same device meanwhile
    found = [free_after(1000) - free_after(20_000) for _ in range(5)]
    assert min(map(abs, found)) < 256 << 20, found


def folded(blocks, count, size=256):
    from mcflow.sampling.fold import Folding

    folding = Folding(size, sketched=True)
    for block in blocks:
        folding.add(block)
    return folding.part(0, count).accumulators


FOLDED = [
    (Case("kaiming_normal", "relu", depth=20, width=64, batch=2), "collapsed"),
    (Case("lecun_normal", "tanh", depth=4, width=64, batch=3), "direct"),
    (Case("normal:1e-30", "relu", depth=12, width=16), "collapsed"),  # layers beyond 2^-400
    (Case("kaiming_normal", "relu", depth=60, width=2), "collapsed"),  # dead networks, many octaves
]


@pytest.mark.parametrize(("case", "method"), FOLDED)
def test_networks_folded_on_the_device_are_its_sums_folded_by_the_processor(case, method):
    networks = 256 * 9 + 5
    how = {"method": method, "device": "cuda", "plan": plan_of(case, networks)}
    values = inputs_of(case, 3)
    truth = folded([sample.record(case, values, 3, 0, networks, **how)], networks)
    cuts = [(0, networks)], [(0, 256), (256, 1024), (1280, networks - 1280)]
    whole, parts = (
        folded([sample.record_groups(case, values, 3, *cut, group=256, **how) for cut in cut_up], networks)
        for cut_up in cuts
    )
    assert whole.keys() == truth.keys()
    for name, of in whole.items():
        for part in (parts[name], truth[name]):
            assert np.array_equal(of.zeros, part.zeros), name
            assert np.array_equal(of.sketch.codes, part.sketch.codes), name
            assert np.array_equal(of.sketch.counts, part.sketch.counts), name
        for mine, cut, theirs in (
            (of.value, parts[name].value, truth[name].value),
            (of.logarithm, parts[name].logarithm, truth[name].logarithm),
        ):
            assert np.array_equal(mine.count, theirs.count), name
            size = np.nan_to_num(np.abs(theirs.mean)) + np.nan_to_num(theirs.spread)
            for field in ("mean", "spread"):
                assert getattr(mine, field).tobytes() == getattr(cut, field).tobytes(), name
                found, expected = getattr(mine, field), getattr(theirs, field)
                finite = np.isfinite(expected)
                assert np.array_equal(np.isfinite(found), finite), name
                assert np.all(np.abs(found - expected)[finite] <= 1e-13 * size[finite]), name
