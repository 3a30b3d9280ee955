"""Variances, gains and constants of the field, from the papers and from what the frameworks document."""

import math

import numpy as np
import pytest

from mcflow import distributions, schemes
from mcflow.activations import registry
from mcflow.activations.formulas import SELU_ALPHA, SELU_SCALE
from mcflow.errors import InputError
from mcflow.model.case import Case


def weight_std(scheme, activation, fan_in, fan_out, **fields):
    return Case(scheme, activation, width=[fan_out], **fields).program_for(fan_in).weight_std[0]


def test_xavier_is_glorot_and_bengios_equation_16():
    bound = math.sqrt(6.0) / math.sqrt(300 + 100)
    assert weight_std("xavier_uniform", "tanh", 300, 100) * math.sqrt(3.0) == pytest.approx(bound, rel=1e-14)
    assert weight_std("glorot_normal", "tanh", 300, 100) == pytest.approx(math.sqrt(2.0 / 400), rel=1e-14)


def test_kaiming_is_he_and_colleagues_equations_10_and_15():
    assert weight_std("kaiming_normal", "relu", 512, 128) == pytest.approx(math.sqrt(2.0 / 512), rel=1e-14)
    slope = 0.25
    expected = math.sqrt(2.0 / (1.0 + slope**2) / 512)
    assert weight_std("he_normal", "prelu", 512, 128) == pytest.approx(expected, rel=1e-14)
    assert weight_std("kaiming_normal", "relu", 512, 128, mode="fan_out") == pytest.approx(
        math.sqrt(2 / 128), rel=1e-14
    )
    assert weight_std("kaiming_normal", "relu", 512, 128, mode="fan_avg") == pytest.approx(
        math.sqrt(2 / 320), rel=1e-14
    )


def test_lecun_keeps_the_variance_of_a_sum():
    assert weight_std("lecun_normal", "selu", 400, 100) == pytest.approx(1 / 20, rel=1e-14)


def test_torch_default_has_bound_one_over_root_fan_in_for_weights_and_biases():
    case = Case("torch_default", "relu", width=[30])
    assert case.program_for(75).weight_std[0] * math.sqrt(3.0) == pytest.approx(1 / math.sqrt(75), rel=1e-14)
    assert math.sqrt(3.0) * case.program_for(75).bias_std[0] == pytest.approx(1 / math.sqrt(75), rel=1e-14)
    assert case.program_for(75).biases_are_uniform


def test_keras_default_is_glorot_uniform_with_zero_biases():
    case = Case("keras_default", "relu", width=[30])
    assert case.program_for(75).weight_std[0] == weight_std("glorot_uniform", "relu", 75, 30)
    assert case.program_for(75).bias_std[0] == 0.0


@pytest.mark.parametrize(
    ("activation", "gain"),
    [
        ("identity", 1.0),
        ("sigmoid", 1.0),
        ("tanh", 5.0 / 3.0),
        ("relu", math.sqrt(2.0)),
        ("leaky_relu", math.sqrt(2.0 / (1.0 + 0.01**2))),
        ("leaky_relu:0.2", math.sqrt(2.0 / (1.0 + 0.2**2))),
        ("selu", 0.75),
    ],
)
def test_torch_gain_is_that_of_calculate_gain(activation, gain):
    assert schemes.torch_gain(registry.get(activation)) == pytest.approx(gain, rel=1e-15)


def test_torch_gain_of_what_torch_does_not_know_is_refused():
    with pytest.raises(InputError, match="gelu"):
        schemes.torch_gain(registry.get("gelu"))


def test_selu_has_its_fixed_point_at_mean_zero_and_variance_one():
    nodes, weights = np.polynomial.hermite_e.hermegauss(200)
    weights = weights / weights.sum()
    z = np.abs(nodes)
    phi = registry.get("selu").phi
    first, second = [0.5 * (weights @ (phi(z) ** p + phi(-z) ** p)) for p in (1, 2)]
    assert pytest.approx((1.6732632423543772, 1.0507009873554805), rel=1e-15) == (SELU_ALPHA, SELU_SCALE)
    assert first == pytest.approx(0.0, abs=2e-3)  # the kink at 0 costs the rule its accuracy
    assert second == pytest.approx(1.0, abs=2e-3)


def test_truncated_normal_is_divided_by_the_std_of_a_normal_cut_at_two():
    density = math.exp(-2.0) / math.sqrt(2.0 * math.pi)
    mass = math.erf(math.sqrt(2.0))
    assert pytest.approx(math.sqrt(1.0 - 4.0 * density / mass), rel=1e-12) == distributions.TRUNCATED_STD
