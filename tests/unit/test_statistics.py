"""Moments and sketches: merged equals whole, at any magnitude."""

import numpy as np
import pytest

from mcflow.statistics import moments, sketches


@pytest.mark.parametrize("scale", [1.0, 1e-250, 1e250])
def test_merged_moments_equal_those_of_the_whole(scale):
    values = np.random.default_rng(1).lognormal(0.0, 2.0, (1000, 4))
    whole = moments.moments(values * scale)
    merged = moments.fold(moments.moments(part * scale) for part in np.split(values, [1, 70, 500]))
    assert np.array_equal(whole.count, merged.count)
    np.testing.assert_allclose(merged.mean, whole.mean, rtol=1e-12)
    np.testing.assert_allclose(merged.spread, whole.spread, rtol=1e-12)
    np.testing.assert_allclose(whole.mean, values.mean(axis=0) * scale, rtol=1e-12)
    np.testing.assert_allclose(whole.std, values.std(axis=0, ddof=1) * scale, rtol=1e-12)


def test_what_is_not_a_number_is_not_counted():
    values = np.array([[1.0, np.nan], [3.0, np.nan]])
    found = moments.merge(moments.moments(values), moments.moments(np.array([[5.0, 7.0]])))
    assert found.count.tolist() == [3, 1]
    assert found.mean.tolist() == [3.0, 7.0]
    assert np.isnan(found.standard_error[1])


def test_logarithms_are_of_positive_values_only():
    values = np.array([[0.0, -1.0], [np.e, -1.0], [np.e**3, -1.0]])
    found = moments.log_moments(values)
    assert found.count.tolist() == [2, 0]
    assert found.mean[0] == pytest.approx(2.0)


@pytest.mark.parametrize("probability", [0.05, 0.5, 0.95])
def test_sketched_quantiles_are_within_the_stated_error(probability):
    rng = np.random.default_rng(2)
    values = np.column_stack([rng.lognormal(-200, 30, 5001), rng.standard_normal(5001), np.zeros(5001)])
    parts = [sketches.sketch(part) for part in np.split(values, [3, 4000])]
    merged = sketches.merge(sketches.merge(parts[2], parts[0]), parts[1])
    whole = sketches.sketch(values)
    assert np.array_equal(merged.codes, whole.codes)
    assert np.array_equal(merged.counts, whole.counts)
    found, _ = sketches.quantiles(merged, 3, probability)
    exact = np.quantile(values, probability, axis=0)
    assert np.all(np.abs(found - exact) <= sketches.RELATIVE_ERROR * np.abs(exact) + 1e-300)


def test_extreme_values_have_a_bin():
    values = np.array([[5e-324, np.inf, -np.inf, 1.7e308, np.nan]])
    found, _ = sketches.quantiles(sketches.sketch(values), 5, 0.5)
    assert found[0] == pytest.approx(5e-324)
    assert found[1] == np.inf
    assert found[2] == -np.inf
    assert found[3] == pytest.approx(1.7e308, rel=0.01)
    assert np.isnan(found[4])
