"""The law of R = (1/n) sum_i D_i^2 z_i^2, D_i in {1, a} by a fair coin: one layer of a (leaky) ReLU network."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mcflow.theory import quadrature
from mcflow.theory.quadrature import Array

WINDOW = 12.0  # standard deviations of the binomial and of the angle that are summed over: 1e-30 lies outside
PANELS = 24


@dataclass(frozen=True)
class UnitLaw:
    """E log R, Var log R and E sqrt(R), given R > 0, and P(R = 0)."""

    log_mean: float
    log_variance: float
    root_mean: float
    zero: float


@lru_cache(maxsize=4096)
def unit_law(width: int, slope: float) -> UnitLaw:
    """The law for a layer of ``width`` units and negative slope a; relative error about 1e-12.

    With K ~ Bin(n, 1/2) positive units R = (chi^2_K + a^2 chi^2_(n-K)) / n = (chi^2_n / n) (a^2 + (1 - a^2) B),
    B ~ Beta(K/2, (n-K)/2) independent of chi^2_n.
    """
    from scipy.special import gammaln, polygamma, psi

    n, a2 = width, slope * slope
    if a2 == 1.0:
        chi = math.sqrt(2.0 / n) * math.exp(gammaln(0.5 * (n + 1)) - gammaln(0.5 * n))
        return UnitLaw(float(psi(0.5 * n)) + math.log(2.0 / n), float(polygamma(1, 0.5 * n)), chi, 0.0)
    half = int(WINDOW * 0.5 * math.sqrt(n)) + 2
    k = np.arange(max(0, n // 2 - half), min(n, n // 2 + half) + 1).astype(np.float64)
    weight = np.exp(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1) - n * math.log(2.0))
    zero = 0.0
    if a2 == 0.0:
        zero = 2.0**-n if n < 1074 else 0.0
        k, weight = k[k > 0], weight[k > 0]
        weight = weight / weight.sum()
        mean = psi(0.5 * k) + math.log(2.0 / n)
        variance = polygamma(1, 0.5 * k)
        root = math.sqrt(2.0 / n) * np.exp(gammaln(0.5 * (k + 1)) - gammaln(0.5 * k))
        total = float(weight @ mean)
        return UnitLaw(total, float(weight @ (variance + (mean - total) ** 2)), float(weight @ root), zero)
    weight = weight / weight.sum()
    mean, square, root = (_beta_averages(n, k, a2, power) for power in (1, 2, 0))
    chi_mean, chi_variance = float(psi(0.5 * n)) + math.log(2.0 / n), float(polygamma(1, 0.5 * n))
    chi_root = math.sqrt(2.0 / n) * math.exp(gammaln(0.5 * (n + 1)) - gammaln(0.5 * n))
    first = float(weight @ mean)
    variance = float(weight @ square) - first * first
    return UnitLaw(chi_mean + first, chi_variance + variance, chi_root * float(weight @ root), zero)


def _beta_averages(n: int, k: Array, a2: float, power: int) -> Array:
    """E log(a^2 + (1 - a^2) B)^power for B ~ Beta(k/2, (n-k)/2), elementwise in k; power 0 stands for E sqrt."""

    def value(b: Array) -> Array:
        y = a2 + (1.0 - a2) * b
        return np.sqrt(y) if power == 0 else np.log(y) ** power

    out = np.where(k == 0, value(np.zeros_like(k)), value(np.ones_like(k)))
    inner = (k > 0) & (k < n)
    p, r = 0.5 * k[inner, None], 0.5 * (n - k[inner, None])
    # B = sin^2(t): the density sin^(2p-1) cos^(2r-1) is smooth and nearly Gaussian about its middle
    middle = np.arctan2(np.sqrt(p), np.sqrt(r))
    reach = WINDOW / (2.0 * math.sqrt(0.5 * n))
    low, high = np.maximum(middle - reach, 0.0), np.minimum(middle + reach, 0.5 * math.pi)
    x, w = quadrature.panels(np.linspace(0.0, 1.0, PANELS + 1), 8)
    t = low + (high - low) * x
    with np.errstate(divide="ignore"):
        log_density = (2 * p - 1) * np.log(np.sin(t)) + (2 * r - 1) * np.log(np.cos(t))
    density = w * np.exp(log_density - log_density.max(axis=1, keepdims=True))
    out[inner] = (density * value(np.sin(t) ** 2)).sum(axis=1) / density.sum(axis=1)
    return out
