"""Layers far outside float32, unit by unit: zeros, inputs of unlike sizes, the bounded side of an activation."""

import math

import numpy as np
import pytest
from networks import assert_same_rows, plan_of, propagated, simulated

from mcflow import draw
from mcflow.activations import registry
from mcflow.activations.formulas import PARAMETRIC, PLAIN
from mcflow.model.case import Case
from mcflow.sampling import sample

EVERY = sorted({*PLAIN, *PARAMETRIC})
FAR_OUT = ["elu", "selu", "celu", "gelu", "gelu_tanh", "silu", "mish", "softplus", "hardswish"]


@pytest.mark.parametrize("activation", EVERY)
@pytest.mark.parametrize("weight", [1e-12, 1e12])
def test_a_layer_of_zeros_is_phi_of_zero_at_any_scale_of_the_weights(activation, weight):
    case = Case(f"normal:{weight}", activation, depth=1, width=8)
    rows = sample.simulate(case, np.zeros((1, 8)), 3, 0, 1, plan=plan_of(case)).rows
    phi, dphi = (float(f(np.zeros(1))[0]) for f in (case.nonlinearity.phi, case.nonlinearity.dphi))
    assert rows["activation_mean"][0, 0] == pytest.approx(phi, rel=1e-6)
    v = draw(case, 3, 0, "direct").output_gradient
    assert rows["gradient_second_moment"][0, 0] == pytest.approx(dphi**2 * (v**2).mean(), rel=1e-5)
    assert rows["active_fraction"][0, 0] == (dphi != 0.0)


@pytest.mark.parametrize("activation", FAR_OUT)
def test_a_far_layer_on_the_bounded_side_keeps_its_bounds(activation):
    """One unit a layer: ELU's layers of negative preactivations are -1, not 0, beyond 2^33 too."""
    case = Case("lecun_normal", activation, width=1, features=3, depth=4, gain=1e12)
    for network in range(8):
        rows = {name: row[0] for name, row in simulated(case, 3, network).rows.items()}
        assert_same_rows(rows, propagated(case, 3, network), np.ones(4), 1e-5)


@pytest.mark.parametrize("method", ["direct", "collapsed"])
@pytest.mark.parametrize("activation", [*FAR_OUT, "tanh", "relu", "softsign", "sigmoid", "relu6"])
def test_inputs_of_one_batch_may_differ_by_two_to_the_thirty_third(activation, method, tmp_path):
    """One far out, one near 1: cosines and shares tell whether the small one was seen truly."""
    inputs = np.random.default_rng(4).standard_normal((2, 24))
    inputs /= np.abs(inputs).max(axis=1, keepdims=True)
    inputs[1] *= 2.0**33
    np.save(tmp_path / "inputs.npy", inputs)
    path = str(tmp_path / "inputs.npy")
    case = Case("lecun_normal", activation, depth=2, width=24, batch=2, raw=True, inputs=path, gain=6.0)
    rows = {name: row[0] for name, row in simulated(case, 3, 1, method=method).rows.items()}
    drawn, of = draw(case, 3, 1, method), case.nonlinearity
    h = inputs @ drawn.weights[0].T
    x = of.phi(h)
    after = x @ drawn.weights[1].T
    unit = after / np.linalg.norm(after, axis=1, keepdims=True)
    assert rows["preactivation_correlation"][1] == pytest.approx(unit[0] @ unit[1], abs=1e-4)
    assert rows["activation_second_moment"][0] == pytest.approx((x**2).mean(), rel=1e-4)
    assert rows["saturated_fraction"][0] == pytest.approx((np.abs(of.dphi(h)) < 0.01 * of.dphi_max).mean(), abs=0.03)


def test_entries_of_one_input_may_be_forty_decades_apart():
    case = Case("lecun_normal", "gelu", depth=2, width=16, raw=True)
    inputs = np.full((1, 16), 1e-30)
    inputs[0, ::2] = 1e10
    rows = sample.simulate(case, inputs, 3, 0, 1, plan=plan_of(case)).rows
    h = inputs @ draw(case, 3, 0, "direct").weights[0].T
    assert rows["preactivation_second_moment"][0, 0] == pytest.approx((h**2).mean(), rel=1e-5)


@pytest.mark.parametrize("gain", [1e5, 1e10, 1e30])
def test_sine_of_huge_angles_is_bounded_and_has_its_averages(gain):
    rows = simulated(Case("lecun_normal", "sin", width=64, depth=3, gain=gain), 3, 0, 100).rows
    second = rows["activation_second_moment"]
    assert (second <= 1.0).all()
    assert abs(second.mean() - 0.5) < 5 * math.sqrt(0.125 / second.size / 64)  # var sin^2 = 1 / 8
    assert np.isfinite(rows["gradient_second_moment"]).all()


def test_sine_of_thousands_is_that_of_float64():
    case = Case("lecun_normal", "sin", width=32, depth=1, gain=2e4)
    found = {name: row[0] for name, row in simulated(case, 3).rows.items()}
    assert_same_rows(found, propagated(case, 3), np.array([32]), 5e-3)  # angles are rounded to 2^-9


@pytest.mark.parametrize("activation", EVERY)
@pytest.mark.parametrize("gain", [1e-3, 1.0, 40.0, 1e3, 1e10])
def test_shares_of_active_units_are_what_phi_is_and_not_what_float32_makes_of_its_slope(activation, gain):
    case = Case("lecun_normal", activation, width=16, depth=2, batch=2, gain=gain)
    block, flat = simulated(case, 3, 0, 3), case.nonlinearity.flat
    for network in range(3):
        drawn = draw(case, 3, network, "direct")
        h = drawn.inputs @ drawn.weights[0].T
        zero = np.any([(h >= low) & (h <= high) for low, high in flat or [(1.0, -1.0)]], axis=0)
        assert block.rows["active_fraction"][network, 0] == pytest.approx(1.0 - zero.mean(), abs=1e-12)
    if not flat:
        assert (block.rows["active_fraction"] == 1.0).all()


def ramp(x):
    return max(0.0, math.tanh(x))


def ramp_slope(x):
    return 1.0 / math.cosh(min(x, 300.0)) ** 2 if x > 0.0 else 0.0


def shrink(x):
    return x - 0.5 if x > 0.5 else (x + 0.5 if x < -0.5 else 0.0)


def shrink_slope(x):
    return 1.0 if abs(x) > 0.5 else 0.0


@pytest.mark.parametrize(
    ("phi", "dphi", "kinks", "flat"),
    [
        (lambda x: math.tanh(x), lambda x: 1.0 - math.tanh(x) ** 2, (), ()),  # 0 in float64 beyond 19
        (lambda x: math.tanh(x), None, (), ()),  # a difference of equal numbers beyond 18
        (lambda x: math.exp(-x * x), lambda x: -2.0 * x * math.exp(-x * x), (), ((0.0, 0.0),)),
        (ramp, ramp_slope, (0.0,), ((-math.inf, 0.0),)),
        (ramp, ramp_slope, (), ((-math.inf, 0.0),)),
        (shrink, shrink_slope, (-0.5, 0.5), ((-0.5, 0.5),)),
        (lambda x: max(x, 0.0) ** 3, lambda x: 3.0 * max(x, 0.0) ** 2, (), ((-math.inf, 0.0),)),
        (lambda x: max(x, 0.0) ** 2, None, (0.0,), ((-math.inf, 0.0),)),
        (lambda x: x * x, lambda x: 2.0 * x, (), ((0.0, 0.0),)),
    ],
)
def test_a_users_flat_intervals_are_found_and_its_tails_are_none(phi, dphi, kinks, flat):
    found = registry.register("test far flat", phi, dphi, kinks).flat
    np.testing.assert_allclose(found, flat, rtol=0, atol=2e-5)
