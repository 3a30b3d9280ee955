"""The histograms' plan: its units cannot be moved by round-off, and its edges are those of the bins."""

import numpy as np
import pytest

from mcflow.quantities import HISTOGRAM_BINS
from mcflow.sampling import bins


def test_units_are_near_the_standard_deviation():
    log10 = np.linspace(-700, 700, 1401)
    exponent = bins.unit_exponent(log10)
    assert np.all(np.abs(exponent - 0.5 * log10 / np.log10(2)) <= 0.57)


def test_round_off_of_the_theory_moves_no_unit_where_moments_are_powers_of_two():
    exact = np.arange(-60, 60) * np.log10(2.0)
    below, above = (bins.unit_exponent(exact * (1 + sign * 1e-9)) for sign in (-1, 1))
    assert np.array_equal(below, above)


def test_unknown_moments_have_unit_one():
    assert bins.unit_exponent(np.array([np.nan, np.inf, -np.inf])).tolist() == [0, 0, 0]


def test_edges_are_open_at_both_ends_and_equal_between():
    edges = bins.edges(np.array([1.0, 0.25]))
    assert edges.shape == (2, HISTOGRAM_BINS + 1)
    assert np.isneginf(edges[:, 0]).all()
    assert np.isposinf(edges[:, -1]).all()
    np.testing.assert_allclose(np.diff(edges[0, 1:-1]), 12 / 64)
    np.testing.assert_allclose(edges[1, 1:-1], edges[0, 1:-1] / 4)


def test_counted_networks_lie_in_the_first_part():
    assert bins.counted_networks(16, 1, 8192) == 8192
    assert bins.counted_networks(512, 16, 512) == 128
    assert bins.counted_networks(1 << 21, 1, 16) == 1


@pytest.mark.filterwarnings("error")
def test_edges_beyond_float64_are_infinite_around_zero():
    plan = bins.Plan(1, np.array([0, 40_000]), np.array([-40_000, 0]))
    edges = bins.edges(plan.preactivation_unit)
    assert np.isfinite(edges[0, 1:-1]).all()
    assert not np.isnan(edges).any()
    assert np.unique(edges[1]).tolist() == [-np.inf, 0.0, np.inf]
    assert plan.gradient_unit.tolist() == [0.0, 1.0]
