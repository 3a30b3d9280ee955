"""Averages of layer 1 where it sums few weights: against elementary integrals, and sums over every sign."""

import itertools
import math

import numpy as np
import pytest

from mcflow import theory
from mcflow.activations import registry
from mcflow.distributions import RADEMACHER, TRUNCATED_NORMAL, UNIFORM
from mcflow.model.case import Case
from mcflow.theory import stack
from mcflow.theory.infinite_width import first_layer, first_pair

ACTIVATIONS = ["tanh", "relu", "leaky_relu:0.2", "gelu", "selu", "elu", "relu6", "hardtanh", "hardswish", "sin"]
CUT = 0.87962566103423978  # standard deviation of a normal law cut at +-2
TERM = {  # density of a weight of variance 1, and where it ends
    "uniform": (lambda w: np.full_like(w, 0.5 / math.sqrt(3.0)), math.sqrt(3.0)),
    "truncated_normal": (
        lambda w: np.exp(-0.5 * (w * CUT) ** 2) * CUT / (math.sqrt(2.0 * math.pi) * math.erf(math.sqrt(2.0))),
        2.0 / CUT,
    ),
}


def integral(density, ends, breaks, f, panels=200):
    """Of f times a density over +-ends, by Gauss-Legendre on panels that end at the breaks."""
    inside = [b for b in breaks if abs(b) < ends]
    edges = np.unique([*np.linspace(-ends, ends, panels + 1), *inside])
    x, w = np.polynomial.legendre.leggauss(12)
    half, middle = 0.5 * np.diff(edges)[:, None], 0.5 * (edges[1:] + edges[:-1])[:, None]
    h = middle + half * x
    return float(np.sum(half * w * density(h) * f(h)))


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("distribution", [UNIFORM, TRUNCATED_NORMAL])
def test_one_weight_gives_integrals_over_its_density(distribution, name):
    activation, size = registry.get(name), 2.3
    density, ends = TERM[distribution.name]
    found = first_layer.averages(first_layer.law(distribution, np.array([size]), 0.0, False), activation)
    slope = first_layer.moments(first_layer.law(distribution, np.array([size]), 0.0, False), activation).slope[0]

    def expected(f, breaks=activation.kinks):
        scaled = [b / size for b in breaks]
        return integral(density, ends, scaled, lambda w: f(size * w))

    assert found["preactivation_fourth_moment"][0] == pytest.approx(expected(lambda h: h**4), rel=1e-7)
    assert found["activation_mean"][0] == pytest.approx(expected(activation.phi), abs=1e-6)
    second = expected(lambda h: activation.phi(h) ** 2)
    assert found["activation_second_moment"] == pytest.approx(
        (second, expected(lambda h: activation.phi(h) ** 4) - second**2), rel=1e-7
    )
    assert slope == pytest.approx(expected(lambda h: activation.dphi(h) ** 2), rel=1e-7)
    limit = 0.01 * activation.dphi_max
    grid = np.linspace(-ends, ends, 400_001)
    middle = 0.5 * (grid[1:] + grid[:-1])
    low = np.abs(activation.dphi(size * middle)) < limit
    share = float(np.sum(density(middle)[low]) * (grid[1] - grid[0]))
    assert found["saturated_fraction"][0] == pytest.approx(share, abs=2e-5)


@pytest.mark.parametrize(("bias", "uniform_bias"), [(0.0, False), (0.3, True), (0.3, False)])
def test_sums_of_few_terms_are_sums_of_their_integrals(bias, uniform_bias):
    """x_1 w_1 + x_2 w_2 + b by three nested rules."""
    sizes, activation = (1.1, 0.6), registry.get("gelu")
    x, w = np.polynomial.legendre.leggauss(60)
    ends = math.sqrt(3.0)
    if uniform_bias or bias == 0:
        b, b_weight = ends * x, 0.5 * w
    else:
        b, b_weight = np.polynomial.hermite_e.hermegauss(40)
        b_weight = b_weight / b_weight.sum()
    h = sizes[0] * ends * x[:, None, None] + sizes[1] * ends * x[None, :, None] + math.sqrt(bias) * b
    weight = 0.25 * w[:, None, None] * w[None, :, None] * b_weight
    found = first_layer.law(UNIFORM, np.array(sizes), bias, uniform_bias)
    m = first_layer.moments(found, activation)
    phi, dphi = activation.phi(h), activation.dphi(h)
    for value, f in ((m.mean[0], phi), (m.second[0], phi**2), (m.fourth[0], phi**4), (m.slope[0], dphi**2)):
        assert value == pytest.approx(float(np.sum(weight * f)), rel=1e-8)
    assert found.fourth == pytest.approx(float(np.sum(weight * h**4)), rel=1e-12)


@pytest.mark.parametrize("name", ["gelu", "relu", "tanh"])
def test_signs_are_enumerated(name):
    sizes, activation = np.array([0.7, 1.3, 0.7, 0.4, 2.0]), registry.get(name)
    h = np.array([np.dot(signs, sizes) for signs in itertools.product((-1.0, 1.0), repeat=5)])
    found = first_layer.averages(first_layer.law(RADEMACHER, sizes, 0.0, False), activation)
    slope = np.abs(activation.dphi(h))
    expected = {
        "preactivation_second_moment": h**2,
        "preactivation_fourth_moment": h**4,
        "activation_mean": activation.phi(h),
        "activation_second_moment": activation.phi(h) ** 2,
        "active_fraction": slope != 0,
        "saturated_fraction": slope < 0.01 * activation.dphi_max,
    }
    for quantity, values in expected.items():
        assert found[quantity] == pytest.approx((values.mean(), values.var()), rel=1e-12, abs=1e-14), quantity


def test_one_uniform_feature_and_tanh_is_elementary():
    """E tanh(sqrt(3) u)^2 = 1 - tanh(sqrt 3) / sqrt 3 over u in (-1, 1): E h^2 of layer 2; a normal h has 0.394."""
    case = Case("lecun_uniform", "tanh", depth=4, width=64, features=1)
    predicted = theory.predict(case, np.ones((1, 1)))
    expected = 1.0 - math.tanh(math.sqrt(3.0)) / math.sqrt(3.0)
    assert predicted["preactivation_second_moment"].values[1] == pytest.approx(expected, rel=1e-7)
    assert predicted["activation_second_moment"].values[0] == pytest.approx(expected, rel=1e-7)
    assert predicted["tier"].sel(quantity="activation_second_moment").values[0] == "exact"


def test_one_long_entry_counts_as_one_feature():
    """It is the sizes of entries that count, not their number."""
    one = theory.predict(Case("lecun_uniform", "tanh", depth=3, width=32, features=1), np.ones((1, 1)))
    inputs = np.full((1, 50), 1e-4)
    inputs[0, 7] = math.sqrt(50 - 49e-8)
    many = theory.predict(Case("lecun_uniform", "tanh", depth=3, width=32, features=50), inputs)
    for name in ("activation_second_moment", "gradient_second_moment", "saturated_fraction"):
        assert many[name].values == pytest.approx(one[name].values, rel=1e-5, abs=1e-9), name


@pytest.mark.parametrize("distribution", [UNIFORM, TRUNCATED_NORMAL])
def test_many_equal_features_come_to_the_normal_law(distribution):
    activation, count = registry.get("gelu"), 400
    found = first_layer.law(distribution, np.full(count, 1.0 / math.sqrt(count)), 0.0, False)
    m = first_layer.moments(found, activation)
    assert m.second[0] == pytest.approx(theory.expectation("gelu", 1.0), rel=1e-3)
    assert m.second[0] != pytest.approx(theory.expectation("gelu", 1.0), rel=1e-5)  # the kurtosis is seen


@pytest.mark.parametrize("second", [(0.3, 1.3), (1.21, 0.49), (-1.2, -0.5)])
@pytest.mark.parametrize(("name", "tolerance"), [("tanh", 1e-7), ("relu", 1e-5)])
def test_products_of_two_inputs_are_integrals_over_their_shared_weights(name, tolerance, second):
    """Apart, nearly the same, and opposite."""
    case = Case("lecun_uniform", name, width=8, depth=2, features=2, batch=2, gain=1.5)
    inputs = np.array([(1.2, 0.5), second])
    x, w = np.polynomial.legendre.leggauss(16)
    edges = np.linspace(-1.0, 1.0, 41)
    half, middle = 0.5 * np.diff(edges)[:, None], 0.5 * (edges[1:] + edges[:-1])[:, None]
    weights, share = math.sqrt(3.0) * (middle + half * x).ravel(), 0.5 * (half * w).ravel()
    std = 1.5 / math.sqrt(2.0)
    h = [std * (a * weights[:, None] + b * weights[None, :]) for a, b in inputs]
    phi = case.nonlinearity.phi
    expected = float(share @ (phi(h[0]) * phi(h[1])) @ share)
    (found,) = first_pair.products(stack.of_case(case, inputs))
    assert found == pytest.approx(expected, rel=tolerance, abs=1e-12)
