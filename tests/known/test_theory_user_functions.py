"""Averages of functions of which theory knows nothing but their values: fine structure, jumps, kinks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import ndtr

from mcflow import plan, theory
from mcflow.activations import registry
from mcflow.errors import InputError
from mcflow.mean_field import critical, fractions, refinement, smoothing
from mcflow.model.case import Case

SIN30 = registry.register("fine_sine", lambda h: math.sin(30.0 * h), lambda h: 30.0 * math.cos(30.0 * h))
SIGN = registry.register("plain_sign", lambda h: 1.0 if h > 0 else -1.0)
STAIRS = registry.register("plain_stairs", lambda h: float(math.floor(h)))
SAW = registry.register("plain_saw", lambda h: h - math.floor(h))
SHIFTED = registry.register("plain_shifted", lambda h: abs(h - 0.3))
TANH = registry.register("plain_tanh", lambda h: math.tanh(h), lambda h: 1.0 - math.tanh(h) ** 2)


@pytest.mark.parametrize("q", [1.0, 16.0, 144.0])
def test_averages_of_a_fast_sine_are_those_of_its_formula(q):
    gone = math.exp(-1800.0 * q)
    truth = {"phi^2": (1.0 - gone) / 2.0, "dphi^2": 450.0 * (1.0 + gone), "phi^4": 0.375, "dphi^4": 0.375 * 30.0**4}
    for of, value in truth.items():
        assert theory.expectation(SIN30, q, of) == pytest.approx(value, rel=1e-9), of
    assert fractions.saturated(SIN30, np.array([q]))[0] == pytest.approx(2.0 * math.asin(0.01) / math.pi, rel=1e-3)
    for c in (0.9, 0.9999):
        value = 0.5 * math.exp(-900.0 * q * (1.0 - c))
        assert theory.expectation(SIN30, q, "phi phi", correlation=c) == pytest.approx(value, abs=1e-10)


def test_a_sine_without_derivative_of_a_hundred_turns_in_a_standard_deviation():
    sine = registry.register("very_fine_sine", lambda h: math.sin(3000.0 * h))
    assert theory.expectation(sine, 0.01) == pytest.approx(0.5, rel=1e-9)
    # the kernels' own difference quotient: a sine's is smaller by sin(3000 s) / (3000 s), s = 1e-5
    slope = 3000.0 * math.sin(0.03) / 0.03
    assert theory.expectation(sine, 0.01, "dphi^2") == pytest.approx(0.5 * slope**2, rel=1e-6)


def test_structure_that_quadrature_does_not_reach_is_said_to_be_not_predicted(monkeypatch):
    monkeypatch.setattr(refinement, "MOST_NODES", 20_000)
    sine = registry.register("too_fine_sine", lambda h: math.sin(3000.0 * h))
    with pytest.raises(InputError, match=r"is not predicted for h ~ N\(0, 2\).*kinks"):
        theory.expectation(sine, 2.0)
    # a run of it goes on without a prediction
    assert plan._predicted(Case("lecun_normal", sine.name, depth=2, width=8), np.ones((1, 8))) == {}


@pytest.mark.parametrize("c", [0.5, -0.5, 0.999, -0.999, 1.0 - 1e-7, 1.0 - 1e-10])
def test_pairs_of_a_jump_that_nobody_declared(c):
    truth = 2.0 / math.pi * math.asin(c)
    assert theory.expectation(SIGN, 1.7, "phi phi", correlation=c) == pytest.approx(truth, abs=1e-9)


def test_the_cosine_of_the_second_layer_of_a_sign_network():
    case = Case("lecun_normal", SIGN.name, depth=3, width=4096, batch=2, correlation=0.5)
    found = theory.predict(case, tier="infinite-width")["preactivation_correlation"].values
    assert found[0] == pytest.approx(0.5, abs=1e-12)
    assert found[1] == pytest.approx(1.0 / 3.0, abs=1e-9)
    assert found[2] == pytest.approx(2.0 / math.pi * math.asin(1.0 / 3.0), abs=1e-9)


def test_averages_of_stairs_saw_and_shifted_absolute_value():
    k = np.arange(-60, 60)
    for q in (0.7, 9.0):
        share = ndtr((k + 1) / math.sqrt(q)) - ndtr(k / math.sqrt(q))
        assert theory.expectation(STAIRS, q) == pytest.approx(float(k**2 @ share), rel=1e-9)
        assert theory.expectation(STAIRS, q, "phi^4") == pytest.approx(float(k.astype(float) ** 4 @ share), rel=1e-9)
        assert theory.expectation(SHIFTED, q) == pytest.approx(q + 0.09, rel=1e-9)
    # Poisson: E (h - floor h)^2 = 1/3 + sum_k exp(-2 pi^2 k^2 q) / (pi k)^2
    wave = sum(math.exp(-2.0 * (math.pi * j) ** 2 * 0.2) / (math.pi * j) ** 2 for j in range(1, 5))
    assert theory.expectation(SAW, 0.2) == pytest.approx(1.0 / 3.0 + wave, rel=1e-9)


def test_pairs_of_stairs_agree_with_numpy():
    rng = np.random.default_rng(5)
    z = rng.normal(size=(2, 1_000_000))
    a, b = math.sqrt(2.0) * z[0], math.sqrt(0.5) * (0.4 * z[0] + math.sqrt(1.0 - 0.16) * z[1])
    product = np.floor(a) * np.floor(b)
    error = float(product.std()) / 1000.0
    found = smoothing.product(STAIRS, 2.0, 0.5, 0.4, derivative=False)
    assert abs(found - float(product.mean())) < 4.0 * error
    assert error < 0.005 * abs(found)  # a gain wrong by 2 % changes it by 4 %: 8 standard errors


@pytest.mark.parametrize("c", [0.3, -0.7, 0.9999, 1.0 - 1e-9, -1.0 + 1e-9])
def test_pairs_of_a_user_function_are_those_of_the_same_built_in_one(c):
    for of in ("phi phi", "dphi dphi"):
        mine, built_in = (theory.expectation(each, 1.7, of, correlation=c) for each in (TANH, "tanh"))
        assert mine == pytest.approx(built_in, abs=1e-10)


def test_gradients_of_a_jump_without_derivative_are_left_out_and_said_so():
    found = theory.predict(Case("lecun_normal", SIGN.name, depth=3, width=32))
    assert np.isnan(found["gradient_second_moment"].values).all()
    assert np.isnan(found["saturated_fraction"].values).all()
    assert found["activation_second_moment"].values == pytest.approx(1.0, rel=1e-9)
    assert "phi jumps at h = 0, and no dphi was given" in found.attrs["left_out"]


def test_a_jump_whose_derivative_is_zero_carries_no_gradient_and_parts_inputs():
    steps = registry.register("flat_sign", lambda h: 1.0 if h > 0 else -1.0, lambda h: 0.0)
    found = theory.predict(Case("lecun_normal", steps.name, depth=3, width=32, batch=2, correlation=0.5))
    assert found["gradient_second_moment"].values.tolist() == [0.0, 0.0, 0.0]
    assert found["saturated_fraction"].values.tolist() == [0.0, 0.0, 0.0]
    (point,) = theory.fixed_points(steps, 1.0)
    assert (point.q, point.chi_1, point.c) == pytest.approx((1.0, 0.0, 0.0), abs=1e-9)
    assert critical.half_stable(steps) == ()
    assert theory.edge_of_chaos(steps, 0.1) == ()
