"""Tests of hypotheses: p values of means, counts and laws, many at once (Holm), and equivalence."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

EQUIVALENCE_LEVEL = 0.05  # of each one-sided test, as in bioequivalence
POWER = 0.9  # with which "needs about M networks" is reckoned


def two_sided(z: Floats, freedom: Floats | None = None) -> Floats:
    """P(|Z| > |z|) for a standard normal Z, or Student's t of ``freedom`` degrees; NaN stays NaN."""
    from scipy.special import ndtr, stdtr

    tail = ndtr(-np.abs(z)) if freedom is None else stdtr(np.maximum(freedom, 1.0), -np.abs(z))
    return np.asarray(2.0 * tail, dtype=np.float64)


def quantile(probability: float) -> float:
    """The standard normal quantile."""
    from scipy.special import ndtri

    return float(ndtri(probability))


def skewness_corrected(z: Floats, skewness: Floats, count: Floats) -> Floats:
    """The Student ratio z of ``count`` values of that skewness, transformed to be normal to order 1/count.

    Hall 1992, J. R. Statist. Soc. B 54, 221, eq. 2.2: monotone in z, so no large deviation is hidden.
    """
    a = skewness / np.sqrt(count)
    return z + a * z * z / 3.0 + a * a * z**3 / 27.0 + a / 6.0


def lognormal_skewness(log_std: Floats) -> Floats:
    """Skewness of a log-normal variable from the standard deviation of its logarithm."""
    with np.errstate(over="ignore"):
        grown = np.expm1(np.minimum(log_std**2, 600.0))
        return np.asarray((grown + 3.0) * np.sqrt(grown), dtype=np.float64)


def binomial_between(successes: int, count: int, low: float, high: float) -> float:
    """Two-sided exact p value of a probability known to lie between ``low`` and ``high``: twice the smaller tail."""
    from scipy.special import bdtr, bdtrc

    above = float(bdtrc(successes - 1, count, high)) if successes > 0 else 1.0
    return min(1.0, 2.0 * min(above, float(bdtr(successes, count, low))))


def kolmogorov_smirnov(probabilities: Floats) -> tuple[float, float]:
    """Distance of values from a law, given their (count,) probabilities under it, and its asymptotic p value."""
    from scipy.special import kolmogorov

    found = np.sort(probabilities)
    count = len(found)
    ranks = np.arange(count + 1) / count
    distance = float(max((ranks[1:] - found).max(), (found - ranks[:-1]).max()))
    return distance, float(kolmogorov(math.sqrt(count) * distance))


def holm(p_values: Floats) -> Floats:
    """Adjusted p values: reject where they are under alpha, and no true hypothesis falls with more than that.

    Valid under any dependence (Holm 1979), as that of the layers of one network. NaN is no test and stays NaN.
    """
    adjusted = np.full(len(p_values), np.nan)
    tested = np.flatnonzero(~np.isnan(p_values))
    order = tested[np.argsort(p_values[tested], kind="stable")]
    steps = (len(order) - np.arange(len(order))) * p_values[order]
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return adjusted


def equal_within(difference: Floats, standard_error: Floats, margin: float) -> NDArray[np.bool_]:
    """Whether two one-sided tests show |difference| < margin, all three in one unit (Schuirmann 1987)."""
    return np.abs(difference) + quantile(1.0 - EQUIVALENCE_LEVEL) * standard_error < margin


def networks_to_show(standard_error: Floats, count: Floats, margin: float) -> Floats:
    """How many networks show equality within ``margin`` with probability POWER, if there is no difference."""
    needed = quantile(1.0 - EQUIVALENCE_LEVEL) + quantile(0.5 * (1.0 + POWER))
    return np.asarray(count * (needed * standard_error / margin) ** 2, dtype=np.float64)


def networks_to_find(shift: Floats, standard_error: Floats, count: Floats, level: float) -> Floats:
    """How many networks find a ``shift`` at two-sided ``level`` with probability POWER; infinite for no shift."""
    needed = quantile(1.0 - 0.5 * level) + quantile(POWER)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(count * (needed * standard_error / np.abs(shift)) ** 2, dtype=np.float64)
