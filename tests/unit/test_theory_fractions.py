"""Predicted shares of active and saturated units: normal probabilities of where phi' is zero or small."""

import math

import numpy as np
import pytest
from networks import simulated
from scipy.special import ndtr

from mcflow import Case, Study, run, verify
from mcflow.activations import registry
from mcflow.activations.formulas import PARAMETRIC, PLAIN
from mcflow.mean_field import fractions

NEVER_FLAT = {"identity", "leaky_relu", "prelu", "elu", "celu", "selu", "gelu", "gelu_tanh", "silu", "mish"}
NEVER_FLAT |= {"softplus", "softsign", "tanh", "sigmoid", "erf", "sin"}


@pytest.mark.parametrize("q", [1e-12, 1.0, 2500.0, 1e20])
def test_active_share_is_what_lies_outside_the_flat_intervals(q):
    s = math.sqrt(q)
    truth = {
        "relu": 0.5,
        "squared_relu": 0.5,
        "relu6": ndtr(6.0 / s) - 0.5,
        "hardtanh": 1.0 - 2.0 * ndtr(-1.0 / s),
        "hardsigmoid": 1.0 - 2.0 * ndtr(-3.0 / s),
        "hardswish": ndtr(3.0 / s),
        "leaky_relu:0.0": 0.5,
        "elu:0.0": 0.5,
    }
    assert NEVER_FLAT | set(truth) == {*PLAIN, *PARAMETRIC} | {"leaky_relu:0.0", "elu:0.0"}
    for name in NEVER_FLAT:
        assert fractions.active(registry.get(name), np.array([q]))[0] == 1.0, name
    for name, expected in truth.items():
        assert fractions.active(registry.get(name), np.array([q]))[0] == pytest.approx(expected, abs=1e-12), name


def test_saturated_share_of_tanh_is_that_beyond_its_level():
    """sech^2 h = 0.01 at cosh h = 10."""
    q = np.array([0.5, 4.0, 2500.0])
    truth = 2.0 * ndtr(-math.acosh(10.0) / np.sqrt(q))
    np.testing.assert_allclose(fractions.saturated(registry.get("tanh"), q), truth, rtol=1e-9)


def test_where_the_slope_has_no_bound_saturated_is_inactive():
    activation, q = registry.get("squared_relu"), np.array([1e-20, 1.0, 1e20])
    assert np.array_equal(fractions.saturated(activation, q), 1.0 - fractions.active(activation, q))


def test_measured_share_of_saturated_units_is_the_predicted_one():
    measured = simulated(Case("lecun_normal", "tanh", depth=1, width=64, gain=3.0), 3, 0, 2000).rows
    share, units = measured["saturated_fraction"].mean(), 64 * 2000

    def z(gain):
        expected = float(fractions.saturated(registry.get("tanh"), np.array([gain**2]))[0])
        return (share - expected) / math.sqrt(expected * (1.0 - expected) / units)

    assert abs(z(3.0)) < 4.5
    assert abs(z(3.0 * 1.02)) > 4.5
    assert abs(z(3.0 / 1.02)) > 4.5


@pytest.mark.parametrize(("activation", "gain"), [("elu", 40.0), ("tanh", 50.0)])
def test_a_slope_that_leaves_float32_is_no_inconsistency(activation, gain):
    case = Case("kaiming_normal", activation, width=64, depth=2, gain=gain)
    with run(Study([case], networks=100), method="direct") as result:
        (name,) = result.names
        assert (result[name]["active_fraction"].values == 1.0).all()
        found = verify(result)
        assert found.all_consistent
        rows = [row for row in found.rows if (row["quantity"], row["statistic"]) == ("active_fraction", "mean")]
        assert len(rows) >= 2
        for row in rows:
            assert row["measured"] == 1.0
            assert row["predicted"] == pytest.approx(1.0, abs=1e-9)
