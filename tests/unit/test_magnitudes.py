"""Numbers beyond float64: pairs of a plain value and a logarithm, their moments, quantiles and sketches."""

import math
from fractions import Fraction

import numpy as np
import pytest

from mcflow.statistics import magnitudes, moments, sketches, summaries


def pair(mantissas, exponents):
    """The pair of (network, layer) numbers, and the numbers themselves as fractions."""
    mantissas, exponents = np.asarray(mantissas, float), np.asarray(exponents, float)
    exact = [
        [Fraction(m) * Fraction(2) ** int(e) for m, e in zip(*row, strict=True)]
        for row in zip(mantissas, exponents, strict=True)
    ]
    return *magnitudes.from_powers(mantissas, exponents), exact


def log2_of(number):
    """log2 of a positive fraction of any size."""
    shift = number.numerator.bit_length() - number.denominator.bit_length()
    return math.log2(number / Fraction(2) ** shift) + shift


def drawn(centre, networks=200, layers=2, signed=False):
    rng = np.random.default_rng(abs(centre) + networks)
    mantissas = rng.lognormal(sigma=2.0, size=(networks, layers))
    if signed:
        mantissas *= rng.choice([-1.0, 1.0], size=mantissas.shape)
    return pair(mantissas, np.full(mantissas.shape, centre))


def test_numbers_within_float64_are_as_they_were_and_have_no_logarithms():
    values = np.array([[1.5, -2e-300, 0.0, np.nan, np.inf]])
    found, log2 = magnitudes.from_powers(values, np.zeros((1, 5)))
    assert log2 is None
    assert np.array_equal(found, values, equal_nan=True)


def test_what_leaves_float64_keeps_its_sign_and_its_logarithm():
    values, log2 = magnitudes.from_powers(
        np.array([3.0, -3.0, 3.0, -3.0, 0.0, 1.5]), np.array([2000, 2000, -2000, -1070, 9, 1])
    )
    assert values.tolist() == [np.inf, -np.inf, 0.0, math.ldexp(-3.0, -1070), 0.0, 3.0]
    np.testing.assert_allclose(log2, np.log2(3.0) + np.array([2000, 2000, -2000, -1070, -np.inf, 0]))
    assert magnitudes.lost(values, log2).tolist() == [True, True, True, True, False, False]  # digits of a subnormal too
    assert magnitudes.is_zero(values, log2).tolist() == [False, False, False, False, True, False]


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("centre", [-5000, -1074, -1020, 0, 1021, 1500, 20000])
def test_moments_and_quantiles_are_those_of_exact_arithmetic(centre, signed):
    values, log2, exact = drawn(centre, signed=signed)
    found = summaries.describe(summaries.accumulate(values, False, log2))
    logarithms = magnitudes.log2_of(values) if log2 is None else log2
    found |= summaries.exact_quantiles(values.T.copy(), logarithms.T)
    numbers = [row[1] for row in exact]
    mean = sum(numbers) / len(numbers)
    variance = sum((x - mean) ** 2 for x in numbers) / (len(numbers) - 1)
    ordered = sorted(numbers)
    rank = Fraction(95, 100) * (len(numbers) - 1)
    q95 = ordered[int(rank)] + (rank - int(rank)) * (ordered[int(rank) + 1] - ordered[int(rank)])
    for name, truth in (("mean", log2_of(abs(mean))), ("std", 0.5 * log2_of(variance)), ("q95", log2_of(abs(q95)))):
        logs = found.get(f"{name}_log2", magnitudes.log2_of(found[name]))
        assert logs[1] == pytest.approx(truth, abs=1e-9), name
    assert np.sign(found["mean"][1]) in (0.0, float(np.sign(mean)))
    assert not found["zero_fraction"].any()
    if not signed:
        assert found["log_mean"][1] == pytest.approx(math.log(2.0) * np.mean([log2_of(x) for x in numbers]), rel=1e-12)


@pytest.mark.parametrize("centres", [(0, 3000), (3000, 0), (-3000, 3000), (1000, 1100), (-1100, -900), (-3000, -3000)])
def test_parts_of_unlike_sizes_merge_to_the_moments_of_all(centres):
    parts = [drawn(centre, networks) for centre, networks in zip(centres, (30, 50), strict=True)]
    merged = moments.fold(moments.moments(values, log2=log2) for values, log2, _ in parts)
    for layer in range(2):
        numbers = [row[layer] for _, _, exact in parts for row in exact]
        mean = sum(numbers) / len(numbers)
        square = sum((x - mean) ** 2 for x in numbers)
        assert math.log2(merged.mean[layer]) + merged.exponent[layer] == pytest.approx(log2_of(mean), abs=1e-9)
        assert math.log2(merged.spread[layer]) + merged.exponent[layer] == pytest.approx(
            0.5 * log2_of(square), abs=1e-9
        )


def test_dead_networks_do_not_hide_an_underflow_and_are_no_underflow():
    alive, log2, _ = drawn(-3000, 20)
    dead = np.zeros((20, 2))
    parts = [summaries.accumulate(dead, True), summaries.accumulate(alive, True, log2)]
    for order in (parts, parts[::-1]):
        found = summaries.describe(summaries.fold(order))
        assert found["zero_fraction"].tolist() == [0.5, 0.5]
        assert (np.abs(found["mean_log2"] + 3000) < 20).all()
        assert (found["q05"] == 0).all()
        assert "q05_log2" not in found  # all are 0 itself
        assert (np.abs(found["q95_log2"] + 3000) < 20).all()


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("centre", [-90000, -1074, 0, 1023, 90000])
def test_sketches_place_numbers_by_their_logarithm(centre, signed):
    values, log2, _ = drawn(centre, 2001, signed=signed)
    beside = magnitudes.log2_of(values) if log2 is None else log2
    halves = [
        sketches.sketch(values[half], None if log2 is None else log2[half]) for half in (slice(900), slice(900, None))
    ]
    merged = sketches.merge(*halves)
    for probability in (0.05, 0.5, 0.95):
        found, logs = sketches.quantiles(merged, 2, probability)
        logs = magnitudes.log2_of(found) if logs is None else logs
        for layer in range(2):
            truth, there = magnitudes.quantiles(values[:, layer], beside[:, layer], [probability])
            assert abs(logs[layer] - there[0]) < math.log2(1 + 2.5 * sketches.RELATIVE_ERROR)
            assert np.signbit(found[layer]) == np.signbit(truth[0])


def test_text_says_what_float64_cannot():
    assert magnitudes.text(1.25) == "1.25"
    assert magnitudes.text(1.0, 1400) == "10^421.44"
    assert magnitudes.text(-1.0, -1400) == "-10^-421.44"
    assert magnitudes.text(1.5, 1000) == "1.607e+301"
    assert magnitudes.power_of_ten(-421.437) == "10^-421.44"
    assert magnitudes.power_of_ten(2.0) == "100"
    assert magnitudes.power_of_ten(-math.inf) == "0"
