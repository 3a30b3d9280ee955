"""Whole networks against what is exact at finite width, at the run's own standard error: |z| <= 5, and power at 2 %.

For ReLU and weights of symmetric law the mean second moments are exact at any width: h is multiplied by gain^2 fan_in
variance / 2 a layer, the gradient by gain^2 fan_out variance / 2, each from its own end (Hanin & Nica 2018).
"""

import math

import numpy as np
import pytest
from networks import simulated

from mcflow import distributions
from mcflow.inputs import case_inputs
from mcflow.model.case import Case

LARGEST_Z = 5.0
DEPTH, WIDTH, NETWORKS = 10, 96, 4000
LAYERS = np.arange(1, DEPTH + 1)
KEEPS = "kaiming_normal", "kaiming_uniform", "kaiming_truncated_normal", "he_normal"
HALVES = "xavier_normal", "xavier_uniform", "xavier_truncated_normal", "lecun_normal", "rademacher", "orthogonal"


def z_of(rows, expected):
    """(layer,) deviations of the mean over networks in its own standard errors, or in roundings where it has none."""
    error = np.hypot(rows.std(axis=0, ddof=1) / math.sqrt(len(rows)), 1e-6 * expected)
    return (rows.mean(axis=0) - expected) / error


def deviations(case, factor, seed=31, networks=NETWORKS):
    """Largest |z| of each recorded mean, were forward and backward multiplied by ``factor`` a layer."""
    rows = simulated(case, seed, count=networks).rows
    forward = factor ** (LAYERS - 1.0) * 2.0 * factor
    backward = 0.5 * factor ** (DEPTH - LAYERS.astype(float))
    return {
        "preactivation_second_moment": np.abs(z_of(rows["preactivation_second_moment"], forward)).max(),
        "activation_second_moment": np.abs(z_of(rows["activation_second_moment"], forward / 2)).max(),
        "gradient_second_moment": np.abs(z_of(rows["gradient_second_moment"], backward)).max(),
    }


@pytest.mark.parametrize("scheme", KEEPS)
def test_he_with_relu_keeps_its_second_moments(scheme):
    case = Case(scheme, "relu", depth=DEPTH, width=WIDTH)
    assert max(deviations(case, 1.0).values()) <= LARGEST_Z
    larger = Case(scheme, "relu", depth=DEPTH, width=WIDTH, gain=1.02 * math.sqrt(2.0))
    assert min(deviations(larger, 1.0).values()) > LARGEST_Z, "a gain 2 % too large would pass"


@pytest.mark.parametrize("scheme", HALVES)
def test_xavier_with_relu_halves_its_second_moments_each_layer(scheme):
    networks = 1000 if scheme == "orthogonal" else NETWORKS
    case = Case(scheme, "relu", depth=DEPTH, width=WIDTH)
    assert max(deviations(case, 0.5, networks=networks).values()) <= LARGEST_Z
    larger = Case(scheme, "relu", depth=DEPTH, width=WIDTH, gain=1.02)
    assert min(deviations(larger, 0.5, networks=networks).values()) > LARGEST_Z, "a gain 2 % too large would pass"


@pytest.mark.parametrize("batch", [2, 6])
def test_many_inputs_keep_their_second_moments_too(batch):
    case = Case("kaiming_normal", "relu", depth=DEPTH, width=WIDTH, batch=batch)
    assert max(deviations(case, 1.0, networks=2000).values()) <= LARGEST_Z


@pytest.mark.parametrize("scheme", ["normal", "uniform", "truncated_normal", "rademacher"])
def test_first_layer_has_the_fourth_moment_of_its_weights(scheme):
    """E h^4 = variance^2 (3 |x|^4 + excess kurtosis of a weight x sum x^4); few features make the second term show."""
    name = scheme if scheme == "rademacher" else f"lecun_{scheme}"
    case = Case(name, "identity", depth=1, width=200, features=4)
    x = case_inputs.inputs_of(case, 33)[0]
    rows = simulated(case, 33, count=20_000).rows
    right = distributions.get(scheme).excess_kurtosis
    for excess in {0.0, right}:
        fourth = (3.0 * (x @ x) ** 2 + excess * (x**4).sum()) / 16.0
        z = z_of(rows["preactivation_fourth_moment"], fourth)[0]
        assert (abs(z) <= LARGEST_Z) == (excess == right), f"z = {z} at excess {excess}"
    assert abs(z_of(rows["preactivation_mean"], 0.0)[0]) <= LARGEST_Z
    assert abs(z_of(1.02**2 * rows["preactivation_second_moment"], 1.0)[0]) > LARGEST_Z


def test_biases_add_their_variance():
    case = Case("lecun_normal", "identity", depth=4, width=64, bias_std=2.0)
    rows = simulated(case, 34, count=4000).rows["preactivation_second_moment"]
    assert np.abs(z_of(rows, 1.0 + 4.0 * np.arange(1, 5))).max() <= LARGEST_Z
    assert np.abs(z_of(rows, 1.0 + 4.0 * 1.02**2 * np.arange(1, 5))).min() > LARGEST_Z
    default = Case("torch_default", "identity", depth=3, width=64)
    rows = simulated(default, 34, count=4000).rows["preactivation_second_moment"]
    q, expected = 1.0, []
    for _ in range(3):
        q = q / 3.0 + 1.0 / (3.0 * 64)
        expected.append(q)
    assert np.abs(z_of(rows, np.array(expected))).max() <= LARGEST_Z
    assert np.abs(z_of(1.02**2 * rows, np.array(expected))).min() > LARGEST_Z


def test_networks_of_a_run_are_independent_of_each_other():
    rows = simulated(Case("kaiming_normal", "tanh", depth=3, width=32), 35, count=10_000).rows
    moments = np.log(rows["preactivation_second_moment"])
    centred = (moments - moments.mean(axis=0)) / moments.std(axis=0)
    for lag in (1, 2, 16):
        z = (centred[:-lag] * centred[lag:]).mean(axis=0) * math.sqrt(len(centred) - lag)
        assert np.abs(z).max() <= LARGEST_Z


def test_schemes_of_one_seed_are_paired():
    """Promise 3: the same underlying numbers, so that differences of schemes are measured far better than each."""
    a, b = (
        np.log(
            simulated(Case(scheme, "tanh", depth=1, width=32), 36, count=2000).rows["preactivation_second_moment"][:, 0]
        )
        for scheme in ("kaiming_normal", "xavier_normal")
    )
    assert np.corrcoef(a, b)[0, 1] > 0.99
