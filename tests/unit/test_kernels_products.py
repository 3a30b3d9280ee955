"""Products of panels with few and many inputs, and the sums over a layer, against NumPy."""

import math

import numpy as np
import pytest
from compiled import entry
from mcflow.kernels.cpu import products, sums

GENERATOR = np.random.default_rng(11)


def panel(rows, stride, offset=0):
    return GENERATOR.standard_normal(offset + rows * stride).astype(np.float32)


@pytest.mark.parametrize("inputs", [1, 2, 4, 5, 9])
@pytest.mark.parametrize(
    ("n", "first", "rows", "stride"), [(7, 0, 7, 8), (40, 12, 9, 20), (40, 36, 4, 132), (1, 0, 1, 4)]
)
def test_product_of_a_panel_is_numpys(inputs, n, first, rows, stride):
    offset = 3
    w, x = panel(rows, stride, offset), GENERATOR.standard_normal((inputs, stride)).astype(np.float32)
    h = np.full(inputs * n, 7.0, np.float32)
    scratch = np.empty(inputs * (rows + stride), np.float32)
    entry(products.multiply)(products.Panel(w, offset, first, rows, stride), x.ravel(), inputs, h, n, scratch)
    found = h.reshape(inputs, n)
    truth = x.astype(float) @ w[offset:].reshape(rows, stride).T.astype(float)
    np.testing.assert_allclose(found[:, first : first + rows], truth, atol=1e-5 * math.sqrt(stride))
    beside = np.delete(found, np.s_[first : first + rows], axis=1)
    assert (beside == 7.0).all()


@pytest.mark.parametrize("inputs", [1, 2, 4, 5, 9])
@pytest.mark.parametrize(
    ("n", "first", "rows", "stride"), [(7, 0, 7, 8), (40, 12, 9, 20), (40, 36, 4, 132), (1, 0, 1, 4)]
)
def test_transposed_product_of_a_panel_adds_to_numpys(inputs, n, first, rows, stride):
    offset = 5
    w, d = panel(rows, stride, offset), GENERATOR.standard_normal((inputs, n)).astype(np.float32)
    y = np.ones(inputs * stride, np.float32)
    scratch = np.empty(inputs * (rows + stride), np.float32)
    some = products.Panel(w, offset, first, rows, stride)
    entry(products.multiply_transposed)(some, d.ravel(), inputs, n, y, scratch)
    truth = 1.0 + d[:, first : first + rows].astype(float) @ w[offset:].reshape(rows, stride).astype(float)
    np.testing.assert_allclose(y.reshape(inputs, stride), truth, atol=1e-5 * math.sqrt(rows))


def test_sum_of_squares_is_exact_to_float64():
    values = (GENERATOR.standard_normal(1003) * 1e18).astype(np.float32)
    truth = math.fsum(v * v for v in values[3:1000].astype(float))
    assert entry(sums.sum_of_squares)(values, 3, 997) == pytest.approx(truth, rel=1e-14)


@pytest.mark.parametrize("exponent", [-300, -149, -60, 0, 1, 90, 200])
def test_rescaling_is_exact_where_the_result_fits(exponent):
    start = 0.0 if exponent == 0 else (-100 if exponent > 0 else 100)
    values = np.ldexp(GENERATOR.uniform(1, 2, 50), int(start)).astype(np.float32)
    expected = np.ldexp(values.astype(float), exponent)
    entry(sums.rescale)(values, len(values), exponent)
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(values, expected.astype(np.float32), rtol=1e-6, atol=1.5e-45)


@pytest.mark.parametrize("square", [1e-300, 1e-40, 0.24, 0.25, 1.0, 3.99, 4.0, 1e60, 1e300])
def test_exponent_of_a_mean_square_is_the_power_of_two_below_its_root(square):
    exponent = entry(sums.exponent_of)(square)
    assert 2.0**exponent <= math.sqrt(square) * (1 + 1e-15) < 2.0 ** (exponent + 1)


def test_exponent_of_nothing_is_zero():
    assert [entry(sums.exponent_of)(value) for value in (0.0, math.inf, math.nan)] == [0, 0, 0]


def mean_cosine(h, inputs, n, group):
    """The mean cosine that the kernel's squared sums of unit vectors hold."""
    squares = np.array([sums_of_squares_of(row) for row in h.reshape(inputs, n)])
    vectors = inputs // group * group
    total = entry(sums.squared_directions)(h, squares, n, group, np.empty(n))
    return (total - vectors) / (vectors * (group - 1))


def sums_of_squares_of(row):
    return np.square(row.astype(float)).sum()


@pytest.mark.parametrize(("inputs", "group"), [(2, 2), (6, 2), (6, 6), (7, 3)])
def test_mean_cosine_is_over_all_pairs_within_groups(inputs, group):
    n = 33
    h = GENERATOR.standard_normal((inputs, n)).astype(np.float32)
    unit = h.astype(float) / np.linalg.norm(h.astype(float), axis=1, keepdims=True)
    pairs = [
        unit[a] @ unit[b]
        for start in range(0, inputs - group + 1, group)
        for a in range(start, start + group)
        for b in range(a + 1, start + group)
    ]
    assert mean_cosine(h.ravel(), inputs, n, group) == pytest.approx(np.mean(pairs), abs=1e-12)


def test_cosines_of_equal_and_opposite_inputs_are_one_and_minus_one():
    row = GENERATOR.standard_normal(50).astype(np.float32)
    assert mean_cosine(np.concatenate([row, row]), 2, 50, 2) == pytest.approx(1.0, abs=1e-12)
    assert mean_cosine(np.concatenate([row, -row]), 2, 50, 2) == pytest.approx(-1.0, abs=1e-12)
    assert math.isnan(mean_cosine(np.concatenate([row, 0 * row]), 2, 50, 2))


def test_counts_are_numpys_histogram_and_lose_nothing():
    values = (2.0 * GENERATOR.standard_normal(20_000)).astype(np.float32)
    values[:4] = np.inf, -np.inf, 1e30, -1e30
    inner = np.linspace(-6, 6, 65)
    for exponent, unit_exponent in ((0, 0), (3, 2), (-200, -200), (0, -3)):
        counts = np.zeros(sums.BINS, np.int64)
        entry(sums.count)(counts, values, len(values), exponent, unit_exponent)
        shift = exponent - unit_exponent
        edges = np.concatenate([[-np.inf], inner, [np.inf]])
        truth = np.histogram(np.ldexp(values.astype(float), shift), edges)[0]
        assert counts.sum() == len(values)
        assert np.abs(counts - truth).sum() <= 4
