"""The transition operator against what is known exactly, and against itself at a finer resolution."""

import math

import numpy as np
import pytest

from mcflow import theory
from mcflow.activations import registry
from mcflow.model.case import Case
from mcflow.theory import stack
from mcflow.theory.finite_width import exact_law, law_estimates, piecewise_linear
from mcflow.theory.infinite_width import trajectory


def chain_of(case):
    layers = stack.of_case(case)
    path = trajectory.trajectory(layers)
    return layers, path, law_estimates.chains(layers, path)


@pytest.mark.parametrize(
    ("activation", "width", "tolerance"), [("relu", 64, 1e-8), ("leaky_relu:0.3", 16, 1e-8), ("relu", 16, 2e-5)]
)
def test_exact_law_repeats_the_exact_moments_of_piecewise_linear_networks(activation, width, tolerance):
    layers, path, chains = chain_of(Case("kaiming_normal", activation, width=[width, width + 8, width], features=20))
    exact, law = piecewise_linear.estimates(layers), law_estimates.estimates(layers, path, chains)
    for name in ("preactivation_second_moment", "activation_second_moment"):
        assert law[name].mean == pytest.approx(exact[name].mean, rel=tolerance)
        assert law[name].std == pytest.approx(exact[name].std, rel=10 * tolerance)
    for name in ("gradient_second_moment", "weight_gradient_second_moment", "activation_mean"):
        assert law[name].mean == pytest.approx(exact[name].mean, rel=tolerance)


def test_mean_of_a_deep_tanh_network_is_converged(monkeypatch):
    """Depth 50, width 64: the promise is 1e-5; more points and a longer characteristic function change 1e-9."""
    arguments = (registry.get("tanh"), np.full(50, 64.0), np.ones(50), np.zeros(50), 1.0)

    def mean():
        logs, weights = exact_law.chain(*arguments).at(49)
        return float(weights @ np.exp(logs))

    coarse = mean()
    monkeypatch.setattr(exact_law, "POINTS", 16)
    monkeypatch.setattr(exact_law, "DECAYED", 1e-15)
    exact_law._transition.cache_clear()
    fine = mean()
    exact_law._transition.cache_clear()
    assert coarse == pytest.approx(fine, rel=1e-8)
    assert coarse == pytest.approx(0.0083513026, rel=1e-8)


def test_dead_networks_are_what_the_law_misses():
    _, _, (chain,) = chain_of(Case("kaiming_normal", "relu", depth=10, width=16))
    _, weights = chain.at(9)
    assert 1.0 - weights.sum() == pytest.approx(-math.expm1(9 * math.log1p(-(2.0**-16))), rel=1e-4)


def test_weights_that_are_not_gaussian_are_left_to_the_first_order_and_said():
    found = theory.predict(Case("lecun_uniform", "tanh", depth=4, width=64))
    assert found["activation_second_moment"].attrs["tier"] == "first-order"
    assert "uniform weights" in found.attrs["left_out"]


def test_finite_width_goes_to_the_first_order_as_it_grows():
    """Exact law minus first order falls as 1 / width^2."""
    gaps = []
    for width in (128, 256):
        case = Case("lecun_normal", "selu", depth=5, width=width)
        exact, first = theory.predict(case), theory.predict(case, tier="first-order")
        name = "gradient_second_moment"
        gaps.append(abs(float(exact[name][0]) - float(first[name][0])))
    assert 3.0 < gaps[0] / gaps[1] < 5.5
