"""A point of the variance map that no signal keeps is called unstable, with what keeps it instead."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mcflow import theory
from mcflow.activations import registry
from mcflow.cli import call
from mcflow.model.case import Case
from mcflow.theory import stability


def sentence(scheme, activation, gain="scheme", depth=12):
    case = Case(scheme, activation, depth=depth, width=64, gain=gain)
    return theory.predict(case, tier="infinite-width").attrs["stability"]


def test_a_homogeneous_activation_at_its_critical_gain_is_unstable():
    registry.register("cubed", lambda h: h**3, lambda h: 3.0 * h * h)
    for name, slope, scale in (("squared_relu", 2, 1 / math.sqrt(1.5)), ("cubed", 3, 1 / math.sqrt(15.0))):
        said = sentence("lecun_normal", name, "critical")
        assert said.startswith("unstable: E h^2 = ")
        for part in (f"slope {slope} > 1", "no scheme keeps it; use normalisation", f"multiplied by {scale:.6g} "):
            assert part in said


def test_growth_without_a_fixed_point_is_unstable_too():
    assert "no scheme keeps it" in sentence("kaiming_normal", "squared_relu")
    registry.register("exponential", lambda h: math.exp(h), lambda h: math.exp(h))
    assert "no scheme keeps it" in sentence("normal:0.1", "exponential", depth=2)


def test_an_unstable_point_beside_a_stable_one():
    said = sentence("lecun_normal", "gelu", "critical")
    assert "slope 1.084 > 1" in said
    assert "a stable one exists" in said


@pytest.mark.parametrize("name", ["tanh", "relu", "selu", "elu", "sigmoid", "softplus", "prelu", "identity"])
def test_nothing_is_said_of_what_is_stable(name):
    assert sentence("lecun_normal", name, "critical") == ""


def test_the_command_says_it(capsys):
    arguments = ["--scheme", "lecun_normal", "--activation", "squared_relu", "--gain", "critical", "--depth", "30"]
    assert call(["theory", *arguments]) == 0
    said = capsys.readouterr().out
    assert "unstable: E h^2 = 0.8165" in said
    assert "no scheme keeps it" in said


@pytest.mark.parametrize("name", ["squared_relu", "gelu"])
def test_the_normalisation_that_is_advised_keeps_activations_and_predicts_gradients(name):
    phi = registry.get(name)
    scale, factor = stability.normalised_scale(phi)
    rng = np.random.default_rng(3)
    n, depth, inputs, second, ratio = 300, 3, 16, [], []
    for _ in range(60):
        x, steps = rng.normal(size=(n, inputs)), []
        for _ in range(depth):
            w = 7.0 * rng.normal(size=(n, n)) / math.sqrt(n)  # any size will do
            h = w @ x
            size = np.sqrt(np.mean(h * h, axis=0))
            steps.append((w, h / size, size))
            x = scale * phi.phi(h / size)
            second.append(np.mean(x * x, axis=0))
        d = rng.normal(size=(n, inputs))
        before = None
        for w, unit, size in reversed(steps):
            d = scale * phi.dphi(unit) * d
            d = w.T @ ((d - unit * np.mean(unit * d, axis=0)) / size)
            after = np.mean(d * d, axis=0)
            if before is not None:
                ratio.append(after / before)
            before = after
    for values, truth in ((second, 1.0), (ratio, factor)):
        error = np.std(values) / math.sqrt(np.size(values))
        assert abs(np.mean(values) - truth) < 4.0 * error + 0.01 * truth  # of order 1/n
        assert error < 0.007 * truth  # a scale wrong by 2 % changes them by 4 %
