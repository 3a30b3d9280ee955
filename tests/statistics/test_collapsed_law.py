"""The collapsed sampler and real weight matrices give one joint law, and a sampler that is nearly right does not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from mcflow.inputs.case_inputs import inputs_of
from mcflow.model.case import Case
from mcflow.sampling.bins import Plan
from mcflow.sampling.sample import simulate

NETWORKS = 50_000
DEPTH, WIDTH = 6, 16
ALPHA = 0.01
RECORDED = (
    "preactivation_second_moment",
    "activation_second_moment",
    "activation_mean",
    "active_fraction",
    "preactivation_correlation",
    "gradient_second_moment",
    "weight_gradient_second_moment",
)


def sample(case, method, seed):
    inputs = inputs_of(case, 5)  # the same inputs for both samples: the law is conditional on them
    zeros = np.zeros(len(case.widths), int)
    return simulate(case, inputs, seed, 0, NETWORKS, method=method, plan=Plan(0, zeros, zeros)).rows


def functionals(rows):
    """Every recorded quantity at every layer, and products across layers and passes: a dict of (network,) arrays."""
    out = {}
    for name in RECORDED:
        if name in rows:
            for layer in range(rows[name].shape[1]):
                out[f"{name} {layer + 1}"] = rows[name][:, layer]
    q, x, g = (rows[name] for name in (RECORDED[0], RECORDED[1], RECORDED[5]))
    for layer in range(DEPTH):
        out[f"x{layer + 1} g{layer + 1}"] = x[:, layer] * g[:, layer]
    for a, b in ((0, DEPTH - 1), (1, 3), (2, 4)):
        out[f"q{a + 1} q{b + 1}"] = q[:, a] * q[:, b]
        out[f"q{a + 1} g{b + 1}"] = q[:, a] * g[:, b]
        out[f"q{b + 1} g{a + 1}"] = q[:, b] * g[:, a]
        out[f"g{a + 1} g{b + 1}"] = g[:, a] * g[:, b]
    # ratios see how the backward pass depends on the forward pass of its own network
    out["g1 / q6"] = g[:, 0] / np.maximum(q[:, -1], 1e-12)
    return out


def rounded(values):
    """Six digits: round-off must not break the ties that dead and saturated networks really have."""
    values = np.nan_to_num(np.asarray(values, dtype=np.float64), nan=-7.0)
    size = np.where(values == 0.0, 1.0, np.abs(values))
    scale = 10.0 ** (6 - np.floor(np.log10(size)))
    return np.round(values * scale) / scale


def holm_rejects(p_values, alpha):
    """Names rejected by Holm's step-down test at family-wise level ``alpha``."""
    ordered = sorted(p_values.items(), key=lambda item: item[1])
    rejected = []
    for i, (name, p) in enumerate(ordered):
        if p > alpha / (len(ordered) - i):
            break
        rejected.append((name, p))
    return rejected


def compare(a, b):
    """p values of two-sample KS tests on every functional and of an energy test on vectors of logarithms."""
    fa, fb = functionals(a), functionals(b)
    p_values = {}
    for name in fa:
        if is_constant(fa[name]) and is_constant(fb[name]):  # what an orthogonal layer preserves
            np.testing.assert_allclose(fa[name].mean(), fb[name].mean(), rtol=1e-5)
        else:
            p_values[name] = stats.ks_2samp(rounded(fa[name]), rounded(fb[name]), method="asymp").pvalue
    p_values["energy"] = energy_p(vectors(a), vectors(b))
    return p_values


def is_constant(values):
    return np.ptp(values) <= 1e-5 * np.abs(values).max()


def vectors(rows, count=1200):
    keep = [rows[name][:count] for name in (RECORDED[0], RECORDED[1], RECORDED[5])]
    return np.log(np.maximum(np.concatenate(keep, axis=1), 1e-6))


def energy_p(a, b, permutations=300):
    """Permutation p value of the energy distance (Szekely & Rizzo 2013) between two samples of vectors."""
    both = np.concatenate([a, b])
    both = (both - both.mean(axis=0)) / both.std(axis=0)
    square = (both**2).sum(axis=1)
    distance = np.sqrt(np.maximum(square[:, None] + square[None, :] - 2.0 * both @ both.T, 0.0))
    rng = np.random.default_rng(0)
    n = len(a)

    sign = np.concatenate([np.ones(n), -np.ones(len(b))])
    signs = np.stack([sign, *(rng.permutation(sign) for _ in range(permutations))])
    seen, *null = -((signs @ distance) * signs).sum(axis=1)
    return (1 + sum(value >= seen for value in null)) / (1 + permutations)


CASES = [
    (scheme, activation, batch)
    for scheme in ("kaiming_normal", "orthogonal")
    for activation in ("relu", "tanh", "gelu")
    for batch in (1, 2, 3)
]


FEW = [("kaiming_normal", "relu", 1), ("kaiming_normal", "tanh", 3), ("kaiming_normal", "gelu", 2)]
FEW += [("orthogonal", "relu", 2), ("orthogonal", "gelu", 1), ("orthogonal", "tanh", 3)]


@pytest.mark.parametrize("cases", [FEW, pytest.param(CASES, marks=pytest.mark.slow)], ids=["few", "every"])
def test_collapsed_and_direct_networks_have_one_joint_law(cases):
    p_values = {}
    for scheme, activation, batch in cases:
        case = Case(scheme, activation, depth=DEPTH, width=WIDTH, batch=batch, gain=1.4)
        direct, collapsed = sample(case, "direct", 1), sample(case, "collapsed", 2)
        for name, p in compare(direct, collapsed).items():
            p_values[f"{scheme}-{activation}-{batch}: {name}"] = p
    assert len(p_values) > 40 * len(cases)
    assert holm_rejects(p_values, ALPHA) == []


DEGENERATE = {
    "dead": Case("kaiming_normal", "relu", depth=4, width=3, batch=2),
    "many-inputs": Case("kaiming_normal", "tanh", depth=4, width=5, batch=8, bias_std=0.3),
    "profile": Case("xavier_normal", "gelu", width=[12, 5, 20, 7], features=9, batch=2, bias_std=0.2),
    "collinear": Case("kaiming_normal", "tanh", depth=4, width=16, batch=2, correlation=0.999999),
    "orthogonal": Case("orthogonal", "tanh", width=[12, 7, 20, 9], features=9, batch=2, bias_std=0.2, gain=1.3),
}


def test_the_law_holds_where_it_is_degenerate():
    p_values = {}
    for what, case in DEGENERATE.items():
        direct, collapsed = sample(case, "direct", 5), sample(case, "collapsed", 6)
        for name in RECORDED:
            if name not in direct:
                continue
            for layer in range(len(case.widths)):
                a, b = direct[name][:, layer], collapsed[name][:, layer]
                if name == "preactivation_correlation":  # 1 - c, on a scale that resolves c near 1
                    a, b = np.log(np.maximum(1.0 - a, 1e-9)), np.log(np.maximum(1.0 - b, 1e-9))
                p = stats.ks_2samp(rounded(a), rounded(b), method="asymp").pvalue
                p_values[f"{what}: {name} {layer + 1}"] = p
    assert len(p_values) > 100
    assert holm_rejects(p_values, ALPHA) == []


def naive_rows(case, seed):
    """Forward through real weights, back through fresh ones: right phi', wrong dependence."""
    rng = np.random.default_rng(seed)
    inputs = inputs_of(case, 5)
    std = case.program_for(WIDTH).weight_std[0]
    x = np.broadcast_to(inputs[0], (NETWORKS, WIDTH))
    act, rows, slopes = case.nonlinearity, {name: np.zeros((NETWORKS, DEPTH)) for name in RECORDED}, []
    del rows["preactivation_correlation"]
    xs = []
    for layer in range(DEPTH):
        xs.append((x**2).mean(axis=1))
        h = np.einsum("nij,nj->ni", std * rng.standard_normal((NETWORKS, WIDTH, WIDTH)), x)
        x, d = act.phi(h), act.dphi(h)
        slopes.append(d)
        rows[RECORDED[0]][:, layer] = (h**2).mean(axis=1)
        rows[RECORDED[1]][:, layer] = (x**2).mean(axis=1)
        rows[RECORDED[2]][:, layer] = x.mean(axis=1)
        rows[RECORDED[3]][:, layer] = (d != 0).mean(axis=1)
    delta = rng.standard_normal((NETWORKS, WIDTH))
    for layer in range(DEPTH - 1, -1, -1):
        if layer < DEPTH - 1:
            delta = np.einsum("nij,ni->nj", std * rng.standard_normal((NETWORKS, WIDTH, WIDTH)), delta)
        delta = delta * slopes[layer]
        rows[RECORDED[5]][:, layer] = (delta**2).mean(axis=1)
        rows[RECORDED[6]][:, layer] = rows[RECORDED[5]][:, layer] * xs[layer]
    return rows


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_a_backward_pass_that_forgets_the_forward_pass_is_caught(activation):
    case = Case("kaiming_normal", activation, depth=DEPTH, width=WIDTH, gain=1.4)
    assert holm_rejects(compare(sample(case, "direct", 1), naive_rows(case, 2)), ALPHA) != []


def test_a_gain_wrong_by_two_percent_is_caught():
    right = Case("kaiming_normal", "tanh", depth=DEPTH, width=WIDTH, gain=1.4)
    wrong = Case("kaiming_normal", "tanh", depth=DEPTH, width=WIDTH, gain=1.4 * 1.02)
    assert holm_rejects(compare(sample(right, "direct", 1), sample(wrong, "collapsed", 2)), ALPHA) != []


def test_exact_moments_of_relu_networks_hold():
    """E q and E q^2 at finite width (docs/theory.md: kappa = 5 for ReLU), and the gradient's mean; |z| <= 5."""
    case, networks = Case("kaiming_normal", "relu", depth=5, width=32), 1_000_000
    zeros = np.zeros(5, int)
    inputs = inputs_of(case, 5)
    rows = simulate(case, inputs, 9, 0, networks, method="collapsed", plan=Plan(0, zeros, zeros)).rows
    depth = np.arange(5)
    for name, mean, relative in (
        ("preactivation_second_moment", 2.0, (1.0 + 2.0 / 32) * (1.0 + 5.0 / 32) ** depth),
        ("activation_second_moment", 1.0, (1.0 + 5.0 / 32) ** (depth + 1)),
    ):
        values = rows[name] / mean
        for power, expected in ((1, np.ones(5)), (2, relative)):
            sample_mean = (values**power).mean(axis=0)
            error = (values**power).std(axis=0) / math.sqrt(networks)
            assert np.all(np.abs(sample_mean - expected) <= 5.0 * error), (name, power)
            # power: a gain wrong by 2 % would show
            assert np.all(np.abs(sample_mean * 1.02 ** (2 * power * (depth + 1)) - expected) > 5.0 * error)
    gradient = rows["gradient_second_moment"]
    alive = (1.0 - 2.0**-32) ** depth
    error = gradient.std(axis=0) / math.sqrt(networks)
    assert np.all(np.abs(gradient.mean(axis=0) - 0.5 * alive) <= 5.0 * error)
