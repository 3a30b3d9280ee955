"""Inputs that depend on each other, from the start or with depth: the collapsed sampler has the law of real weights."""

import numpy as np
import pytest
from networks import lacks_what_it_should_have

from mcflow.activations import registry
from mcflow.inputs.case_inputs import inputs_of
from mcflow.model.case import Case
from mcflow.sampling import sample
from mcflow.sampling.bins import Plan

NETWORKS = 2000
QUANTITIES = ("preactivation_second_moment", "activation_second_moment", "gradient_second_moment")
NEAR = 1.0 + 1e-6 * np.random.default_rng(3).normal(size=(32, 32))


def rows_of(case, inputs, networks, method, seed=1):
    nothing = np.zeros(case.depth, int)
    return sample.simulate(case, inputs, seed, 0, networks, method=method, plan=Plan(0, nothing, nothing)).rows


def inputs_for(case, equal):
    inputs = inputs_of(case, 5)
    return np.repeat(inputs[:1], len(inputs), axis=0) if equal else inputs


LAWS = {
    "become-equal": (Case("lecun_normal", "sigmoid", width=16, depth=16, batch=8), False),
    "biases": (Case("lecun_normal", "tanh", width=12, depth=20, batch=6, gain=0.8, bias_std=0.5), False),
    "one-feature": (Case("lecun_normal", "tanh", width=16, depth=6, batch=8, features=1), False),
    "equal": (Case("lecun_normal", "tanh", width=16, depth=6, batch=12, gain=1.5), True),
    "one-unit": (Case("kaiming_normal", "tanh", width=[16, 1, 16, 16], batch=8), False),
    "orthogonal": (Case("orthogonal", "sigmoid", width=16, depth=12, batch=6), False),
}


def scores(case, inputs, direct, gain=1.0):
    """z of the difference of the means of the logarithms, a list over quantities and layers."""
    changed = Case(**{**case.record(), "gain": gain * case.numeric_gain})
    collapsed = rows_of(changed, inputs, NETWORKS, "collapsed", seed=2)
    found = []
    for name in QUANTITIES:
        a, b = np.log(direct[name]), np.log(collapsed[name])
        error = np.sqrt((a.var(axis=0) + b.var(axis=0)) / NETWORKS)
        # an orthogonal network keeps some of them to the last bit
        found += ((b.mean(axis=0) - a.mean(axis=0)) / np.maximum(error, 1e-5)).tolist()
    return np.array(found)


@pytest.mark.parametrize("what", LAWS)
def test_dependent_inputs_have_the_law_of_real_weights(what):
    case, equal = LAWS[what]
    inputs = inputs_for(case, equal)
    direct = rows_of(case, inputs, NETWORKS, "direct")
    assert np.abs(scores(case, inputs, direct)).max() <= 5.0
    assert np.abs(scores(case, inputs, direct, 1.02)).max() > 5.0


def check_numbers(activation, scheme, batch, kind, bias, depth=200):
    """No NaN, forward or backward; cosines have none but where an input is dead."""
    case = Case(scheme, activation, width=32, depth=depth, batch=batch, bias_std=bias)
    inputs = inputs_of(case, 5)
    if kind != "unlike":
        inputs = np.repeat(inputs[:1], batch, axis=0)
    if kind == "near":
        inputs = inputs * NEAR[:batch]
    rows = rows_of(case, inputs, 3, "collapsed")
    assert not lacks_what_it_should_have(rows, may_be_infinite=True), (activation, scheme, batch, kind)
    for name, row in rows.items():
        if kind == "equal" and name == "preactivation_correlation":
            np.testing.assert_allclose(row[np.isfinite(row)], 1.0, rtol=0, atol=1e-12)


@pytest.mark.parametrize("activation", sorted({*registry.PLAIN, *registry.PARAMETRIC}))
def test_no_network_is_lost_at_depth_two_hundred(activation):
    check_numbers(activation, "lecun_normal", 16, "unlike", 0.0)
    check_numbers(activation, "orthogonal", 8, "near", 0.0, depth=60)
    check_numbers(activation, "kaiming_normal", 32, "equal", 0.3, depth=20)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["unlike", "equal", "near"])
@pytest.mark.parametrize("activation", sorted({*registry.PLAIN, *registry.PARAMETRIC}))
def test_no_network_is_lost_whatever_its_inputs(activation, kind):
    for batch in (2, 7, 16, 32):
        for bias in (0.0, 0.3):
            for scheme in ("lecun_normal", "kaiming_normal", *(["orthogonal"] if batch <= 16 else [])):
                check_numbers(activation, scheme, batch, kind, bias)
