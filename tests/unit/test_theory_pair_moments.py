"""The map of a pair's Gram matrix: derivatives against differences, and the limit of one input."""

import math

import numpy as np
import pytest

from mcflow import theory
from mcflow.activations import registry
from mcflow.mean_field import moments, pairs
from mcflow.mean_field.pair_moments import Step, pair_moments
from mcflow.model.case import Case
from mcflow.theory import stack
from mcflow.theory.finite_width import first_order, two_inputs
from mcflow.theory.infinite_width import trajectory

STEP = 2e-3  # of the differences, whose error is its square


def basis(q_a, q_b, plus, minus):
    """L with G = L L^T."""
    big, small = math.sqrt(plus), math.sqrt(minus)
    return np.diag([math.sqrt(q_a), math.sqrt(q_b)]) @ np.array([[big, small], [big, -small]])


@pytest.mark.parametrize(
    ("name", "q_a", "q_b", "c", "weight", "bias"),
    [
        ("relu", 1.0, 1.0, 0.6, 2.0, 0.0),
        ("tanh", 1.0, 1.0, -0.6, 1.7, 0.1),
        ("gelu", 1.0, 2.0, -0.3, 2.0, 0.3),
        ("selu", 1.0, 2.0, 0.9, 1.0, 0.0),
        ("hardtanh", 3.0, 3.0, 0.2, 1.5, 0.2),
    ],
)
def test_derivatives_of_the_map_agree_with_differences(name, q_a, q_b, c, weight, bias):
    activation = registry.get(name)

    def variance(q):
        return weight * float(moments.moments(activation, q).second[0]) + bias

    k = variance(q_a), variance(q_b)
    gain, shift = (tuple(math.sqrt(x / y) for y in k) for x in (weight, bias))
    m = pair_moments(activation, Step((math.sqrt(q_a), math.sqrt(q_b)), (1 + c) / 2, (1 - c) / 2, gain, shift))
    before, after = basis(q_a, q_b, (1 + c) / 2, (1 - c) / 2), basis(*k, m.plus, m.minus)
    inverse = np.linalg.inv(after)

    def mapped(y):
        g = before @ (np.eye(2) + np.array([[y[0], y[2]], [y[2], y[1]]])) @ before.T
        product = weight * pairs.product(activation, g[0, 0], g[1, 1], g[0, 1] / math.sqrt(g[0, 0] * g[1, 1])) + bias
        out = inverse @ np.array([[variance(g[0, 0]), product], [product, variance(g[1, 1])]]) @ inverse.T - np.eye(2)
        return np.array([out[0, 0], out[1, 1], out[0, 1]])

    unit = np.eye(3) * STEP
    assert np.abs(mapped(np.zeros(3))).max() < 1e-6
    slopes = np.stack([(mapped(e) - mapped(-e)) / (2 * STEP) for e in unit], axis=1)
    assert m.jacobian == pytest.approx(slopes, abs=1e-5)
    for i in range(3):
        for j in range(3):
            second = mapped(unit[i] + unit[j]) - mapped(unit[i] - unit[j])
            second += mapped(-unit[i] - unit[j]) - mapped(unit[j] - unit[i])
            covariance = np.zeros((3, 3))
            covariance[i, j] += 0.5
            covariance[j, i] += 0.5
            assert m.bend(covariance) == pytest.approx(second / (8 * STEP**2), abs=2e-5)


@pytest.mark.parametrize("name", ["tanh", "relu", "elu"])
def test_nearly_equal_inputs_have_the_spread_of_one(name):
    """As c -> 1 Cov(G_aa, G_bb) is Var G, and 1 - c has a spread relative to itself that no longer depends on c."""
    case = Case("kaiming_normal", name, depth=8, width=512, batch=2, correlation=0.5)
    layers = stack.of_case(case)
    path = trajectory.trajectory(layers)
    one = first_order.expand(layers, path, 0)
    relative = []
    for distance in (1e-6, 1e-8, 1e-10):
        pair = two_inputs.follow(layers, path.preactivation[[0, 0]], path.input[[0, 0]], 1.0 - distance)
        assert pair.covariance == pytest.approx(one.spread, rel=1e-2 * math.sqrt(distance) * 1e3, abs=1e-12)
        relative.append(np.sqrt(pair.variance) / (1.0 - pair.cosine))
    assert relative[1] == pytest.approx(relative[0], rel=1e-2)
    assert relative[2] == pytest.approx(relative[1], rel=1e-2)


def test_opposite_inputs_of_an_odd_activation_stay_opposite():
    case = Case("lecun_normal", "tanh", depth=30, width=256, batch=2, gain=1.5)
    inputs = np.array([[1.0], [-1.0]]) * np.random.default_rng(0).normal(size=(1, 256))
    found = theory.predict(case, inputs, tier="first-order")
    assert found["preactivation_correlation"].values == pytest.approx(-1.0, abs=1e-12)


def test_opposite_inputs_of_relu_part():
    """E G_ab of layer 2 is 0 at cosine -1, exactly: no unit is on for both."""
    inputs = np.array([[1.0], [-1.0]]) * np.random.default_rng(0).normal(size=(1, 256))
    found = theory.predict(Case("kaiming_normal", "relu", depth=3, width=256, batch=2), inputs, tier="first-order")
    cosine = found["preactivation_correlation"].values
    assert cosine[0] == pytest.approx(-1.0, abs=1e-12)
    assert cosine[1] == pytest.approx(0.0, abs=1e-6)
    assert cosine[2] == pytest.approx(1 / math.pi, abs=0.01)
    assert (found["tier"].sel(quantity="preactivation_correlation").values == "first-order").all()


@pytest.mark.parametrize("scheme", ["orthogonal", "torch_default"])
def test_what_has_no_first_order_for_two_inputs_has_none(scheme):
    found = theory.predict(Case(scheme, "tanh", depth=4, width=256, batch=2, correlation=0.5))
    assert set(found["tier"].sel(quantity="preactivation_correlation").values) == {"infinite-width"}
    assert "preactivation_second_moment_std" not in found


def test_the_spread_of_gradients_is_left_out_where_its_next_order_is_large():
    narrow, wide = (
        theory.predict(Case("lecun_normal", "tanh", depth=4, width=n), tier="first-order") for n in (12, 256)
    )
    assert "gradient_second_moment_std" not in narrow
    assert np.isfinite(wide["gradient_second_moment_std"].values).all()
