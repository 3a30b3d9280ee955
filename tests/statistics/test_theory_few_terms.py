"""Layers that sum few weights, or signs: theory within its allowance of networks formed in NumPy, and not much more."""

import numpy as np
import pytest
from formed import rows_of, scores

from mcflow import theory
from mcflow.answers import allowances
from mcflow.model.case import Case
from mcflow.theory import stack
from mcflow.theory.finite_width import sign_atoms
from mcflow.theory.infinite_width import first_layer

NETWORKS = 3000
LARGEST_Z = 4.5
SKEWED = {"preactivation_fourth_moment"}
FEW = [
    Case("lecun_uniform", "tanh", depth=4, width=24, features=1),
    Case("kaiming_uniform", "gelu", depth=3, width=24, features=1),
    Case("keras_default", "relu", depth=3, width=24, features=1),
    Case("kaiming_uniform", "selu", depth=3, width=24, features=2),
    Case("torch_default", "leaky_relu:0.2", depth=3, width=24, features=1),
    Case("lecun_truncated_normal", "relu6", depth=3, width=24, features=1, gain=3.0),
    Case("rademacher", "tanh", depth=3, width=24, features=2),
    Case("lecun_uniform", "relu", width=[2, 24, 24], features=8),
    Case("lecun_uniform", "tanh", width=[24, 1, 24], features=8),
    Case("rademacher", "relu", width=[20, 6, 40, 5, 30], features=7),
    Case("rademacher", "relu", depth=3, width=24, features=1),
    Case("rademacher", "gelu", width=[20, 24], features=7),
]


def identify(case):
    return f"{case.scheme}-{case.activation}-{'x'.join(map(str, case.widths))}-{case.features}"


def inputs_of(case, batch=1):
    x = np.random.default_rng(case.features).standard_normal((batch, case.features))
    return x / np.sqrt(np.mean(x**2, axis=1, keepdims=True))


def beyond_allowance(rows, prediction, name):
    """(layer,) standard errors by which the mean differs by more than theory may err; 0 where it does not judge."""
    of, measured = prediction.of[name], rows[name]
    error = np.maximum(measured.std(axis=0, ddof=1) / np.sqrt(len(measured)), 1e-7 * np.abs(of.mean) + 1e-12)
    difference = np.abs(measured.mean(axis=0) - of.mean)
    judged = np.isfinite(of.allowance)
    if name.endswith("fraction"):
        judged &= np.count_nonzero(measured % 1.0, axis=0) > 100
    return np.where(judged, np.maximum(difference - np.where(judged, of.allowance, 0.0), 0.0) / error, 0.0)


@pytest.mark.parametrize("case", FEW, ids=identify)
def test_predictions_hold_within_their_allowance(case):
    inputs = inputs_of(case)
    rows, prediction = rows_of(case, inputs, NETWORKS, seed=3), allowances.predict(case, inputs)
    worst = {name: float(beyond_allowance(rows, prediction, name).max()) for name in prediction.of if name in rows}
    assert len(worst) >= 6
    assert max(worst.values()) <= LARGEST_Z, worst


@pytest.mark.parametrize("case", FEW[:6], ids=identify)
def test_few_features_are_predicted_and_a_gain_two_per_cent_off_is_seen(case):
    """Not by wide allowances: the values themselves are right, from layer 1 to the gradient there."""
    inputs = inputs_of(case)
    rows = rows_of(case, inputs, NETWORKS, seed=4)
    right = theory.predict(case, inputs)
    for name in ("activation_second_moment", "activation_mean", "gradient_second_moment"):
        assert np.abs(scores(rows[name], right[name].values)).max() <= LARGEST_Z, name
    changed = {"scheme": case.scheme, "activation": case.activation, "width": case.width, "depth": case.depth}
    wrong = allowances.predict(Case(**changed, features=case.features, gain=1.02 * case.numeric_gain), inputs)
    assert beyond_allowance(rows, wrong, "activation_second_moment").max() > LARGEST_Z


def test_cosines_after_few_features_come_from_their_joint_law():
    case = Case("kaiming_uniform", "gelu", depth=2, width=100, features=2)
    inputs = inputs_of(case, batch=2)
    rows = rows_of(case, inputs, 600, seed=5)["preactivation_correlation"]
    found = theory.predict(case, inputs)["preactivation_correlation"].values
    assert np.abs(rows.mean(axis=0) - found).max() < 0.015  # 1 / width is 0.01
    opposite = np.array([[1.0], [-1.0]])
    one = Case("lecun_uniform", "tanh", depth=3, width=32, features=1, batch=2)
    assert theory.predict(one, opposite)["preactivation_correlation"].values == pytest.approx(-np.ones(3), abs=1e-6)


def test_many_inputs_of_few_features_are_forgiven_what_their_laws_leave_out():
    case = Case("lecun_uniform", "tanh", depth=2, width=24, features=2, batch=70)
    inputs = inputs_of(case, batch=70)
    assert first_layer.laws(stack.of_case(case, inputs)) is None
    rows, prediction = rows_of(case, inputs, 500, seed=6), allowances.predict(case, inputs)
    for name in ("activation_second_moment", "gradient_second_moment"):
        assert beyond_allowance(rows, prediction, name).max() <= LARGEST_Z
        assert np.abs(scores(rows[name], prediction.of[name].mean)).max() > LARGEST_Z  # 3 to 5 per cent off
        assert (prediction.of[name].allowance < 0.25 * prediction.of[name].mean).all()
    some = Case("lecun_uniform", "tanh", depth=2, width=24, features=2, batch=12)
    assert len(first_layer.laws(stack.of_case(some, inputs[:12]))[1]) == 12


def test_dead_networks_of_signs_have_no_gradient():
    """d^2 of layer 5 was 0.5; some layer below is off with probability 1 - prod (1 - 2^-n)."""
    case = FEW[9]
    found = theory.predict(case, inputs_of(case))["gradient_second_moment"].values[-1]
    assert found == pytest.approx(0.5 * np.prod(1.0 - 0.5 ** np.array([20, 6, 40, 5])), rel=1e-6)


def test_sums_of_signs_that_vanish_are_bounded():
    case = Case("rademacher", "relu", depth=3, width=24, features=1)
    layers = stack.of_case(case, np.ones((1, 1)))
    found = sign_atoms.shares(layers)
    assert found[0] == 0.0
    signs = np.random.default_rng(1).integers(-1, 2, (200_000, 24))
    signs = np.where(np.random.default_rng(2).random(signs.shape) < 0.5, 0, np.where(signs >= 0, 1, -1))
    rows = np.random.default_rng(3).integers(0, 2, (200_000, 24)) * 2 - 1
    live = np.abs(signs)
    vanish = ((live * rows).sum(axis=1) == 0)[live.any(axis=1)].mean()
    assert found[1] == pytest.approx(vanish, abs=4e-3)
    biased = Case("rademacher", "relu", depth=3, width=24, features=1, bias_std=0.1)
    assert not sign_atoms.shares(stack.of_case(biased, np.ones((1, 1)))).any()
    generic = Case("rademacher", "relu", depth=3, width=24, features=20)
    assert sign_atoms.shares(stack.of_case(generic, inputs_of(generic))).max() < 1e-3
