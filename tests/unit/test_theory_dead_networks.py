"""How often a network is dead, and how far the first gradients lie apart, against plain Monte Carlo in NumPy."""

import numpy as np
import pytest

from mcflow import Case
from mcflow.theory.finite_width.dead_networks import zero_probabilities
from mcflow.theory.finite_width.output_gradient import variance_bounds
from mcflow.theory.infinite_width import trajectory
from mcflow.theory.stack import of_case

NETWORKS = 40_000


def bounds(case, inputs=None):
    stack = of_case(case, inputs)
    return zero_probabilities(stack, trajectory.trajectory(stack))


def simulate(widths, bias, seed=1, phi=lambda h: np.maximum(h, 0.0)):
    """Shares of networks (layer,) in which h, x and d of ReLU networks are 0; He weights, one input of ones."""
    rng = np.random.default_rng(seed)
    x = np.ones((NETWORKS, widths[0], 1))
    weights, hs, xs = [], [], []
    for n in widths:
        weights.append(rng.normal(size=(NETWORKS, n, x.shape[1])) * np.sqrt(2.0 / x.shape[1]))
        hs.append(weights[-1] @ x + bias * rng.normal(size=(NETWORKS, n, 1)))
        x = np.maximum(hs[-1], 0.0)
        xs.append(x)
    d = [(hs[-1] > 0) * rng.normal(size=hs[-1].shape)]
    for k in range(len(widths) - 1, 0, -1):
        d.insert(0, (hs[k - 1] > 0) * (weights[k].transpose(0, 2, 1) @ d[0]))
    return {
        name: np.array([(value == 0).all(axis=(1, 2)).mean() for value in values])
        for name, values in (("preactivation", hs), ("activation", xs), ("gradient", d))
    }


@pytest.mark.parametrize("bias", [0.0, 0.3])
def test_share_of_dead_relu_networks_is_that_of_plain_simulation(bias):
    widths = (3, 2, 4, 3)
    found = bounds(Case("kaiming_normal", "relu", width=widths, bias_std=bias))
    for name, share in simulate(widths, bias).items():
        of = found[f"{name}_second_moment"]
        np.testing.assert_array_equal(of.low, of.high)
        error = np.sqrt(of.high * (1.0 - of.high) / NETWORKS)
        assert (np.abs(share - of.high) <= 5.0 * error + 1e-12).all(), (name, share, of.high)


def test_with_biases_a_layer_dies_alone_and_without_for_good():
    alone = bounds(Case("kaiming_normal", "relu", width=4, depth=5, bias_std=0.1))["activation_second_moment"].high
    np.testing.assert_allclose(alone, 2.0**-4)
    for_good = bounds(Case("kaiming_normal", "relu", width=4, depth=5))["activation_second_moment"].high
    np.testing.assert_allclose(for_good, 1.0 - (1.0 - 2.0**-4) ** np.arange(1, 6))


@pytest.mark.parametrize("activation", ["tanh", "sin", "leaky_relu:0.2", "selu", "identity"])
def test_what_is_zero_nowhere_never_dies(activation):
    found = bounds(Case("lecun_normal", activation, width=24, depth=4, bias_std=0.2, batch=2))
    assert (found["activation_second_moment"].high == 0).all()


@pytest.mark.parametrize("activation", ["gelu", "silu", "squared_relu", "relu6"])
def test_what_is_off_on_one_side_has_a_bound(activation):
    found = bounds(Case("lecun_normal", activation, width=24, depth=4, bias_std=0.2))["activation_second_moment"]
    assert (found.high <= 2.0**-23).all()
    assert (found.low <= found.high).all()


def test_several_inputs_die_no_more_often_than_the_first():
    several = bounds(Case("kaiming_normal", "relu", width=5, depth=3, batch=3))["activation_second_moment"]
    one = bounds(Case("kaiming_normal", "relu", width=5, depth=3))["activation_second_moment"]
    np.testing.assert_array_equal(several.high, one.high)
    assert (several.low == 0).all()


def test_sign_weights_without_biases_have_no_bound():
    assert not bounds(Case("rademacher", "tanh", width=8, depth=3))
    assert bounds(Case("rademacher", "tanh", width=8, depth=3, bias_std=0.1))


@pytest.mark.parametrize("cosine", [0.0, 0.9])
def test_spread_of_the_output_gradient_lies_in_its_bounds_and_that_of_signs_outside(cosine):
    case = Case("lecun_normal", "tanh", depth=1, width=32, batch=2, correlation=cosine, bias_std=0.3)
    stack = of_case(case)
    low, high = variance_bounds(stack, trajectory.trajectory(stack))
    rng = np.random.default_rng(3)
    h = np.sqrt(1.09) * rng.normal(size=(NETWORKS, 32))
    common = (cosine + 0.09) / 1.09
    other = common * h + np.sqrt(1.09 * (1.0 - common**2)) * rng.normal(size=h.shape)
    slope = np.concatenate([1.0 - np.tanh(h) ** 2, 1.0 - np.tanh(other) ** 2], axis=1)
    normal = np.mean((slope * rng.normal(size=slope.shape)) ** 2, axis=1).var()
    signs = np.mean(slope**2, axis=1).var()
    assert 0.95 * low < normal < 1.05 * high
    assert signs < 0.5 * low
    assert high < 1.5 * low
