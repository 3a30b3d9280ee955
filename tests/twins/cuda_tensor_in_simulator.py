"""Products by tensor cores in Numba's simulator, whose warps meet for each: the oracle's networks, and the processor's.

Run by test_cuda_simulator.py.
"""

import sys

import numpy as np
import pytest
from cuda_in_simulator import SAME, assert_twins, case_of, on_cuda


@pytest.fixture(autouse=True)
def tensor_cores(monkeypatch):
    """A simulated device that has them; threads that wait for each other are let in quickly."""
    from mcflow.sampling import cuda

    monkeypatch.setattr(cuda, "_SIMULATED_CAPABILITY", (8, 0))
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def small_stage(monkeypatch):
    """One step at a time is staged, and one tile of inputs multiplied."""
    from mcflow.kernels.cuda import build, tensor

    monkeypatch.setattr(tensor, "STAGE_BYTES", 8 * 16 * 12)
    monkeypatch.setattr(tensor, "_MOST_TILES", 1)
    monkeypatch.setattr(build, "_built", {})


@pytest.mark.parametrize(
    ("scheme", "activation", "batch", "width", "features", "threads"),
    [
        ("kaiming_normal", "relu", 3, [9, 7, 5], 6, 32),
        ("xavier_uniform", "gelu", 5, [20, 3], 37, 64),  # more rows than a warp has, a step that is not full
        ("lecun_truncated_normal", "selu", 8, [6, 18], 11, 64),  # a whole tile
        ("torch_default", "tanh", 9, [5, 4], 7, 32),
        ("kaiming_normal", "silu", 17, [4, 3], 5, 32),  # more inputs than units
        ("rademacher", "leaky_relu:0.2", 3, [4, 5], 130, 32),  # two groups of columns
        ("rademacher", "tanh", 10, [7, 6], 9, 64),
    ],
)
def test_networks_are_the_oracles_and_the_processors(scheme, activation, batch, width, features, threads):
    from networks import assert_same_rows, propagated

    bias = None if scheme == "torch_default" else 0.2
    case = case_of(scheme, activation, batch, width=width, features=features, bias_std=bias)
    rows = {name: row[0] for name, row in assert_twins(case, threads=threads).rows.items()}
    assert_same_rows(rows, propagated(case, 3, 3), np.array(width) * batch, SAME)


@pytest.mark.parametrize(("scheme", "features"), [("kaiming_normal", 70), ("rademacher", 6)])
def test_inputs_taken_in_turns_and_staged_in_steps_are_the_processors(small_stage, scheme, features):
    assert_twins(case_of(scheme, "tanh", 17, width=[9, 4], features=features), threads=32)


def test_two_inputs_are_multiplied_by_threads():
    from networks import plan_of

    from mcflow.inputs.case_inputs import inputs_of
    from mcflow.sampling import cuda

    for batch, on_cores in ((1, False), (2, False), (3, True), (200, True)):
        case = case_of(batch=batch)
        work = cuda.work_of(case, inputs_of(case, 0), 0, "direct", True, plan_of(case), 32)
        assert work.plan.on_cores == on_cores
    for method, scheme in (("collapsed", "kaiming_normal"), ("direct", "orthogonal")):
        case = case_of(scheme, batch=4)
        assert not cuda.work_of(case, inputs_of(case, 0), 0, method, True, plan_of(case), 32).plan.on_cores


@pytest.mark.parametrize("std", [1e-9, 1e60])
def test_values_far_outside_float32_are_the_processors(std):
    assert_twins(case_of(f"normal:{std}", "relu", 3, width=[6, 6], features=4), threads=32)


def test_forward_only_far_addresses_and_counts_are_the_processors():
    case = case_of("kaiming_normal", "relu", 4, correlation=0.5)
    assert_twins(case, threads=32, backward=False, seed=(7 << 32) | 5, first=(3 << 32) + 1)


def test_any_number_of_warps_gives_the_same_sums():
    """To the bit: a row's sum is one lane's, whatever warp that is in. Sums over layers are the block's."""
    case = case_of("kaiming_normal", "relu", 3, width=[40], features=20)
    few, many = (on_cuda(case, threads=threads).rows for threads in (32, 64))
    for name, row in few.items():
        np.testing.assert_allclose(many[name], row, rtol=1e-6)


def test_a_layer_keeps_its_second_moment_within_what_is_promised_of_it():
    """Without beginning again at zero it would lose 7e-6 (tests/statistics/test_tensor_core_rounding.py)."""
    from networks import plan_of

    from mcflow.inputs.case_inputs import inputs_of

    case = case_of("kaiming_normal", "identity", 8, width=[16], features=512)
    from cuda_in_simulator import on_processor

    values = inputs_of(case, 3)
    mine = on_cuda(case, inputs=values, threads=32, plan=plan_of(case), backward=False)
    truth = on_processor(case, inputs=values, backward=False)
    bias = mine.rows["preactivation_second_moment"] / truth.rows["preactivation_second_moment"] - 1.0
    assert abs(bias[0, 0]) < 1e-6
