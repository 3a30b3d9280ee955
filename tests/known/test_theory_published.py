"""Fixed points, critical points and maps that the literature prints."""

import math

import pytest

from mcflow import theory
from mcflow.errors import InputError
from mcflow.mean_field import critical
from mcflow.model.case import Case
from mcflow.theory.infinite_width import trajectory


def test_selu_keeps_variance_one_but_not_gradients():
    """Klambauer et al. 2017: the fixed point; its stability 0.782648; and chi_1 = 1.0716, which they do not print."""
    point = theory.fixed_points("selu", 1.0)[-1]
    assert point.q == pytest.approx(1.0, abs=1e-12)
    assert point.chi_parallel == pytest.approx(0.7826478, abs=1e-7)
    assert point.chi_1 == pytest.approx(1.0715750, abs=1e-7)
    assert point.xi_q == pytest.approx(4.0804, abs=1e-4)
    assert point.c == 0.0


@pytest.mark.parametrize(
    ("name", "weight", "bias", "q"),
    [("gelu", 1.98305826, 0.17292239, 3.5616), ("silu", 1.98800468, 0.55514317, 14.3202)],
)
def test_half_stable_points_are_those_of_the_book(name, weight, bias, q):
    """Roberts, Yaida & Hanin 2022, section 5.3.4."""
    (point,) = critical.half_stable(name)
    assert point.weight_variance == pytest.approx(weight, abs=2e-8)
    assert point.bias_variance == pytest.approx(bias, abs=5e-8)
    assert point.q == pytest.approx(q, abs=1e-4)
    assert point.chi_parallel == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("name", ["tanh", "sin", "softsign", "elu", "selu", "sigmoid", "hardtanh", "relu6"])
def test_other_activations_have_no_half_stable_point(name):
    assert critical.half_stable(name) == ()


def test_tanh_is_critical_at_weight_variance_one():
    (point,) = theory.fixed_points("tanh", 1.0)
    assert (point.q, point.chi_1, point.chi_parallel) == pytest.approx((0.0, 1.0, 1.0))
    assert not point.stable
    zero, reached = theory.fixed_points("tanh", 2.0)
    assert math.isnan(zero.trainable_depth)  # unstable: no signal stays there
    assert reached.trainable_depth == pytest.approx(6 / abs(math.log(reached.chi_1)), rel=1e-12)
    assert theory.critical_gain("tanh", "gradient") == pytest.approx(1.0, abs=1e-12)


def test_edge_of_chaos_of_tanh_is_found_again_from_its_bias():
    pair = critical.critical_pair("tanh", 0.5)
    (again,) = theory.edge_of_chaos("tanh", pair.bias_variance)
    assert again.weight_variance == pytest.approx(pair.weight_variance, rel=1e-10)
    (point,) = theory.fixed_points("tanh", pair.weight_variance, pair.bias_variance)
    assert point.chi_1 == pytest.approx(1.0, abs=1e-10)


def test_relu_cosine_map_is_the_arc_cosine_kernel():
    """Cho & Saul 2009: the map of the cosine, and its square-root approach to 1."""
    case = Case("kaiming_normal", "relu", depth=40, width=64, batch=2, correlation=0.3)
    c, expected = 0.3, []
    for _ in range(40):
        expected.append(c)
        c = (math.sqrt(1 - c * c) + (math.pi - math.acos(c)) * c) / math.pi
    found = theory.predict(case, tier="infinite-width")["preactivation_correlation"].values
    assert found == pytest.approx(expected, abs=1e-12)


def test_deep_sigmoid_gradient_is_a_number_not_zero():
    found = trajectory.propagate(Case("xavier_normal", "sigmoid", depth=100, width=256))
    assert found["gradient_second_moment_log10"][0] == pytest.approx(-125.4976, abs=1e-3)
    deeper = trajectory.propagate(Case("xavier_normal", "sigmoid", depth=1000, width=256))
    assert deeper["gradient_second_moment_log10"][0] == pytest.approx(-1255, abs=5)
    assert deeper["gradient_second_moment"][0] == 0.0


@pytest.mark.parametrize(
    ("name", "forward", "gradient"),
    [("relu", math.sqrt(2), math.sqrt(2)), ("identity", 1.0, 1.0), ("selu", 1.0, 0.690486), ("elu", 1.2779601, 1.0)],
)
def test_forward_and_gradient_critical_gains_differ(name, forward, gradient):
    assert theory.critical_gain(name, "forward") == pytest.approx(forward, abs=1e-6)
    assert theory.critical_gain(name, "gradient") == pytest.approx(gradient, abs=1e-6)


def test_critical_gain_of_a_case_keeps_its_second_moment():
    for scheme in ("lecun_normal", "xavier_uniform", "torch_default", "orthogonal"):
        bias = {"bias_std": 0.0} if scheme == "torch_default" else {}
        case = Case(scheme, "selu", depth=20, width=64, gain="critical", **bias)
        assert trajectory.propagate(case)["activation_second_moment"] == pytest.approx(1.0, abs=1e-9)


def test_no_critical_gain_is_said_with_the_nearest_that_is():
    with pytest.raises(InputError, match=r"no critical gain for the gradients of 'gelu'.*sigma_w\^2 = 1.983"):
        theory.critical_gain("gelu", "gradient")


@pytest.mark.parametrize(
    ("name", "weight", "bias", "sentence"),
    [
        ("relu", 2.0, 0.0, "every q is a fixed point"),
        ("relu", 2.0, 0.1, "no fixed point: q grows by the bias variance"),
        ("elu", 2.0, 0.1, "no fixed point: q grows without end"),
        ("gelu", 2.0, 0.1, "2 fixed points, 1 stable"),
        ("tanh", 1.0, 0.0, "one fixed point, marginal"),
        ("sigmoid", 1.0, 0.0, "one fixed point, stable"),
    ],
)
def test_no_one_or_several_fixed_points_are_said(name, weight, bias, sentence):
    assert sentence in theory.fixed_points(name, weight, bias).sentence
