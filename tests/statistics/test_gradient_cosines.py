"""Cosines of gradients: 0 on average, and as far apart as docs/theory.md says; sizes of x at finite width."""

import math

import numpy as np
import pytest
from networks import simulated

from mcflow import Case, predict
from mcflow.inputs.case_inputs import inputs_of
from mcflow.theory.infinite_width import correlation, trajectory
from mcflow.theory.stack import of_case

NETWORKS = 4000
CASE = Case("kaiming_normal", "relu", depth=6, width=96, batch=2, correlation=0.5)


def spreads(cosines, width, pairs=1, carried=1.0):
    """(layer,) leading order for ReLU: E phi'_a phi'_b = P(both on) = 1/2 - angle / 2 pi; ``carried`` plants faults."""
    both = 0.5 - np.arccos(cosines) / (2.0 * math.pi)
    out = np.zeros(len(cosines) + 1)
    for layer in reversed(range(len(cosines))):
        out[layer] = carried * (2.0 * both[layer]) ** 2 * out[layer + 1] + 4.0 * both[layer] / width
    return np.sqrt(out[:-1] / pairs)


@pytest.fixture(scope="module")
def cosines():
    """(network, layer) cosines of the gradients of one pair, and infinite width's cosines of its preactivations."""
    layers = of_case(CASE, inputs_of(CASE, 3))
    forward = correlation.mean_cosine(layers, trajectory.trajectory(layers))
    return simulated(CASE, count=NETWORKS, method="collapsed").rows["gradient_correlation"], forward


def test_mean_cosines_of_gradients_are_zero(cosines):
    rows, _ = cosines
    errors = rows.std(axis=0, ddof=1) / math.sqrt(NETWORKS)
    assert (np.abs(rows.mean(axis=0)) <= 5.0 * errors).all()
    # one v for both inputs would be seen: its cosine at the top is that of phi', 2 P(both on)
    assert (100.0 * errors < 2.0 / 3.0).all()
    assert (predict(CASE, inputs_of(CASE, 3))["gradient_correlation"] == 0.0).all()


def test_cosines_of_gradients_lie_as_far_apart_as_the_leading_order_says(cosines):
    rows, forward = cosines
    found = rows.std(axis=0, ddof=1)
    tolerance = 5.0 / math.sqrt(2.0 * NETWORKS) + 6.0 / CASE.widths[0]  # of the sample, and of the next order
    assert (np.abs(found / spreads(forward, CASE.widths[0]) - 1.0) <= tolerance).all()
    # what pairs of gradients remember of the layers above is seen: without it layer 1 would fail
    assert abs(found[0] / spreads(forward, CASE.widths[0], carried=0.0)[0] - 1.0) > 3.0 * tolerance


def test_pairs_of_more_inputs_average_uncorrelated_cosines():
    case = Case("lecun_normal", "identity", depth=1, width=80, batch=5)
    rows = simulated(case, count=NETWORKS).rows["gradient_correlation"][:, 0]
    assert rows.std(ddof=1) == pytest.approx(1.0 / math.sqrt(80 * 10), rel=5.0 / math.sqrt(2.0 * NETWORKS) + 2.0 / 80)


@pytest.mark.parametrize("activation", ["tanh", "gelu", "selu", "sin"])
def test_mean_sizes_are_predicted_at_finite_width_and_a_gain_2_percent_too_large_is_seen(activation):
    case, wrong = (Case("lecun_normal", activation, depth=3, width=64, gain=gain) for gain in (1.3, 1.3 * 1.02))
    rows = simulated(case, count=NETWORKS, method="collapsed").rows["activation_absolute_mean"]
    errors = rows.std(axis=0, ddof=1) / math.sqrt(NETWORKS)
    right, other = (predict(each, inputs_of(each, 3)) for each in (case, wrong))
    assert right["activation_absolute_mean"].attrs["tier"] == "exact-law"
    assert (np.abs(rows.mean(axis=0) - right["activation_absolute_mean"].values) <= 5.0 * errors).all()
    assert (np.abs(rows.mean(axis=0) - other["activation_absolute_mean"].values) > 5.0 * errors).any()
    spread = right["activation_absolute_mean_std"].values
    assert (np.abs(rows.std(axis=0, ddof=1) / spread - 1.0) < 0.08).all()


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
def test_participation_ratios_of_wide_layers_are_those_of_infinite_width(activation):
    """Finite width shifts them by a few over n: halved where the width is doubled."""
    shifts = []
    for width in (128, 256):
        case = Case("kaiming_normal", activation, depth=2, width=width, gain=1.5)
        rows = simulated(case, count=NETWORKS, method="collapsed").rows["participation_ratio"][:, 1]
        limit = float(predict(case, inputs_of(case, 3), "infinite-width")["participation_ratio"][1])
        error = float(rows.std(ddof=1)) / math.sqrt(NETWORKS)
        shifts.append(float(rows.mean()) - limit)
        assert abs(shifts[-1]) <= 12.0 / width * limit + 5.0 * error
    assert abs(shifts[0] - 2.0 * shifts[1]) <= 2.0 * 5.0 * error + 30.0 / 128**2
