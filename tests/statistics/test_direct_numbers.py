"""The random numbers themselves: moments, tails, whole law, and independence in every direction of the address.

Every check is a z of known variance, |z| <= 5, and is shown to fail for numbers 2 % too large or 2 % correlated.
"""

import math

import numpy as np
import pytest
from mcflow.kernels.body.rng import BIASES, OUTPUT_GRADIENT, WEIGHTS
from rows import rows_of
from scipy import stats

WIDTH, ROWS = 512, 4096
LARGEST_Z = 5.0


def moments_of_uniform(p):
    return 3.0 ** (p / 2) / (p + 1)


def moments_of_truncated(p):
    """By the recursion m_p = (p - 1) m_(p - 2) - 2 2^(p - 1) density(2) / mass."""
    density, mass = math.exp(-2.0) / math.sqrt(2.0 * math.pi), math.erf(math.sqrt(2.0))
    moments = [1.0]
    for k in range(2, p + 1, 2):
        moments.append((k - 1) * moments[-1] - 2.0**k * density / mass)
    return moments[-1] / (1.0 - 4.0 * density / mass) ** (p / 2)


def moments_of_normal(p):
    return float(math.prod(range(1, p, 2)))


LAWS = {
    "normal": (moments_of_normal, stats.norm()),
    "uniform": (moments_of_uniform, stats.uniform(-math.sqrt(3.0), 2 * math.sqrt(3.0))),
    "truncated_normal": (moments_of_truncated, stats.truncnorm(-2, 2, scale=1 / 0.87962566103423978)),
}


def power_sums(name, chunks):
    """Sums of x^1 .. x^4 and how many |x| lie beyond 1, 2, 3, 4, 5."""
    sums, beyond = np.zeros(4), np.zeros(5)
    for chunk in range(chunks):
        x = rows_of(name, WIDTH, ROWS, seed=11, network=chunk, layer=chunk % 7)[0].ravel()
        x = x.astype(np.float64)
        square = x * x
        sums += x.sum(), square.sum(), (square * x).sum(), (square * square).sum()
        beyond += [np.count_nonzero(square > t * t) for t in range(1, 6)]
    return sums, beyond, chunks * ROWS * WIDTH


@pytest.mark.parametrize(("name", "chunks"), [("normal", 48), ("uniform", 16), ("truncated_normal", 16)])
def test_moments_and_tails_are_those_of_the_law(name, chunks):
    """A hundred million normals; a third of that for the others."""
    moment, law = LAWS[name]
    sums, beyond, count = power_sums(name, chunks)
    for gain in (1.0, 1.02):
        z = []
        for p in range(1, 5):
            mean = 0.0 if p % 2 else moment(p)
            z.append((sums[p - 1] / count * gain**p - mean) / math.sqrt((moment(2 * p) - mean**2) / count))
        if gain == 1.0:
            assert np.abs(z).max() <= LARGEST_Z, z
        else:
            assert min(abs(z[1]), abs(z[3])) > LARGEST_Z, "2 % too large would pass"
    probability = 2.0 * law.sf(np.arange(1, 6))
    for t in np.flatnonzero(probability * count > 10):
        expected = probability[t] * count
        assert abs(beyond[t] - expected) <= LARGEST_Z * math.sqrt(expected * (1 - probability[t])), f"beyond {t + 1}"


@pytest.mark.parametrize("name", list(LAWS))
def test_whole_law_is_right(name):
    x = rows_of(name, WIDTH, 2048, seed=12)[0].ravel()
    assert stats.kstest(x, LAWS[name][1].cdf).pvalue > 1e-6
    assert stats.kstest(1.02 * x, LAWS[name][1].cdf).pvalue < 1e-6


def test_signs_are_fair_in_every_bit():
    x = rows_of("rademacher", WIDTH, ROWS, seed=13)[0]
    assert np.array_equal(np.abs(x), np.ones_like(x))
    z = x.sum(axis=0, dtype=float) / math.sqrt(ROWS)
    assert np.abs(z).max() <= LARGEST_Z
    assert abs(z.sum() / math.sqrt(WIDTH)) <= LARGEST_Z


def neighbours(name):
    """Pairs of equally long arrays that must be independent, one for each direction of the address."""
    there = {"seed": 21, "network": 5, "layer": 3, "stream": WEIGHTS}
    base = rows_of(name, WIDTH, ROWS, **there)[0]
    groups = WIDTH // (128 if name == "rademacher" else 4)
    for lag in (1, 2, groups, 2 * groups, 3 * groups):
        yield f"columns {lag} apart", base[:, :-lag], base[:, lag:]
    for lag in (1, 2, 64):
        yield f"rows {lag} apart", base[:-lag], base[lag:]
    changes = [
        {"network": 6},
        {"network": 5 + (1 << 32)},
        {"layer": 4},
        {"stream": BIASES},
        {"stream": OUTPUT_GRADIENT},
    ]
    changes += [{"seed": 22}, {"seed": 21 + (1 << 32)}]
    for change in changes:
        yield f"{change}", base, rows_of(name, WIDTH, ROWS, **(there | change))[0]


def z_of_correlation(a, b):
    a, b = (v.astype(float).ravel() - v.mean(dtype=float) for v in (a, b))
    return a @ b / math.sqrt((a @ a) * (b @ b)) * math.sqrt(len(a))


@pytest.mark.parametrize("name", [*LAWS, "rademacher"])
def test_numbers_are_independent_in_every_direction(name):
    for direction, a, b in neighbours(name):
        assert abs(z_of_correlation(a, b)) <= LARGEST_Z, direction
        assert abs(z_of_correlation(a, b + 0.02 * a)) > LARGEST_Z, "a correlation of 2 % would pass"
        if name != "rademacher":
            assert abs(z_of_correlation(a * a, b * b)) <= LARGEST_Z, f"{direction}, squares"


def test_sizes_of_a_whole_network_are_independent_of_its_neighbours():
    """Sums of squares over a network's weights: a generator with overlapping streams correlates them."""
    sums = np.array([(rows_of("normal", 64, 64, seed=23, network=i)[0].astype(float) ** 2).sum() for i in range(4000)])
    z = (sums - 4096.0) / math.sqrt(2 * 4096.0)
    assert abs(z.mean()) * math.sqrt(len(z)) <= LARGEST_Z
    assert abs(z.var() - 1.0) <= LARGEST_Z * math.sqrt(2.0 / len(z))
    for lag in (1, 2, 7):
        assert abs(z_of_correlation(z[:-lag], z[lag:])) <= LARGEST_Z
