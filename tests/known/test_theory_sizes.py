"""E |phi| and participation ratios against closed forms, and against plain quadrature where there is none."""

import math

import numpy as np
import pytest
from scipy import integrate

from mcflow import Case, predict
from mcflow.activations import registry
from mcflow.mean_field.moments import log_moments, moments

SMALL, MIDDLE, LARGE = 1e-6, 1.7, 350.0


def size_of_sin(q):
    """E |sin h| by the Fourier series of |sin|: 2/pi - 4/pi sum exp(-2 k^2 q) / (4 k^2 - 1)."""
    k = np.arange(1, 4000)
    return 2.0 / math.pi - 4.0 / math.pi * float(np.sum(np.exp(-2.0 * k * k * q) / (4.0 * k * k - 1.0)))


def size_of_hardtanh(q):
    return math.sqrt(2.0 * q / math.pi) * -math.expm1(-0.5 / q) + math.erfc(1.0 / math.sqrt(2.0 * q))


FORMS = {
    "identity": lambda q: math.sqrt(2.0 * q / math.pi),
    "relu": lambda q: math.sqrt(q / (2.0 * math.pi)),
    "leaky_relu:-0.5": lambda q: 0.75 * math.sqrt(2.0 * q / math.pi),
    "squared_relu": lambda q: 0.5 * q,
    "hardtanh": size_of_hardtanh,
    "sin": size_of_sin,
}


@pytest.mark.parametrize("q", [SMALL, MIDDLE, LARGE])
@pytest.mark.parametrize("name", FORMS)
def test_mean_sizes_are_the_closed_forms(name, q):
    tolerance = 1e-6 if name == "sin" and q == SMALL else 1e-11  # the series is a difference of near equals there
    assert moments(registry.get(name), q).size[0] == pytest.approx(FORMS[name](q), rel=tolerance)


@pytest.mark.parametrize("name", registry.names())
def test_every_mean_size_is_that_of_plain_quadrature_and_so_is_its_slope(name):
    activation, q, step = registry.get(name), 1.3, 1e-4
    z = np.linspace(-12.0, 12.0, 600_001)  # 0 is a point: the kink of |phi|
    size = np.abs(activation.phi(math.sqrt(q) * z))
    plain = integrate.simpson(size * np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi), x=z)
    found = moments(activation, q)
    assert found.size[0] == pytest.approx(plain, rel=1e-8)
    low, high = (moments(activation, q * (1.0 + sign * step)).size[0] for sign in (-1.0, 1.0))
    assert found.size[1] / 2.0 == pytest.approx((high - low) / (2.0 * step), rel=1e-5, abs=1e-7)
    assert abs(found.mean[0]) <= found.size[0] <= math.sqrt(found.second[0])


def test_a_users_function_is_cut_where_it_changes_its_sign():
    registry.register("shifted wave of sizes", lambda x: math.sin(3.0 * x) + 0.2, lambda x: 3.0 * math.cos(3.0 * x))
    wave = registry.get("shifted wave of sizes")
    for q in (0.3, 40.0):
        z = np.linspace(-12.0, 12.0, 2_400_001)
        density = np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
        plain = integrate.simpson(np.abs(np.sin(3.0 * math.sqrt(q) * z) + 0.2) * density, x=z)
        assert moments(wave, q).size[0] == pytest.approx(plain, rel=1e-9)


def test_the_logarithm_of_a_mean_size_goes_on_beyond_float64():
    logs = [log_moments(registry.get("relu"), x)[5] for x in (-500.0, 0.0, 500.0)]
    assert logs == pytest.approx([0.5 * x - 0.5 * math.log(2.0 * math.pi) for x in (-500.0, 0.0, 500.0)])


@pytest.mark.parametrize(
    ("activation", "ratio"),
    [("identity", 1 / 3), ("relu", 1 / 6), ("squared_relu", 2.25 / 52.5), ("leaky_relu:-1", 1 / 3)],
)
def test_participation_at_infinite_width_is_the_ratio_of_gaussian_moments(activation, ratio):
    found = predict(Case("kaiming_normal", activation, depth=2, width=64), tier="infinite-width")
    np.testing.assert_allclose(found["participation_ratio"], ratio, rtol=1e-10)
    assert found["participation_ratio"].attrs["tier"] == "infinite-width"


def test_inputs_of_unlike_sizes_share_one_participation_ratio():
    """Of a linear layer over inputs of variances 1 and 9: (5)^2 / (3 (1 + 81) / 2)."""
    inputs = np.stack([np.ones(16), 3.0 * np.ones(16)])
    found = predict(Case("lecun_normal", "identity", depth=1, width=32, features=16, batch=2), inputs, "infinite-width")
    assert float(found["participation_ratio"][0]) == pytest.approx(25.0 / 123.0)


def test_relu_has_the_exact_mean_size_that_is_its_mean():
    found = predict(Case("kaiming_normal", "relu", depth=4, width=9))
    np.testing.assert_allclose(found["activation_absolute_mean"], found["activation_mean"], rtol=1e-13)
    assert found["activation_absolute_mean"].attrs["tier"] == "exact"
