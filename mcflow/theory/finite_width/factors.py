"""The independent factors of which second moments in a (leaky) ReLU network are products: their logarithms' laws.

A layer turns the vector below it into one of uniform direction, whose squared length is a factor ``Length`` times what
it was, and phi keeps a factor ``Share`` of that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mcflow.mean_field import quadrature
from mcflow.mean_field.quadrature import Array

WINDOW = 12.0  # standard deviations of the binomial and of the angle that are summed over: 1e-30 lies outside
PANELS = 48
Waves = NDArray[np.complex128]


@dataclass(frozen=True)
class Averages:
    """E log F and Var log F given F > 0, E sqrt(F), and P(F = 0) of a factor F."""

    log_mean: float
    log_variance: float
    root_mean: float
    zero: float = 0.0


@dataclass(frozen=True)
class Length:
    """chi^2_n / n for independent normal weights; (N / n) Beta(n/2, (N - n)/2) for n of the N rows of a Haar matrix.

    ``whole`` is N, and 0 for normal weights. With N = n the length is kept: the factor is 1.
    """

    width: int
    whole: int = 0

    @property
    def averages(self) -> Averages:
        return _length(self.width, self.whole)

    def log_wave(self, t: Array) -> Waves:
        """(frequency,) log E exp(i t log F): E (chi^2_n)^(i t) = 2^(i t) Gamma(n/2 + i t) / Gamma(n/2)."""
        from scipy.special import loggamma

        half, total = 0.5 * self.width, 0.5 * self.whole
        if self.whole == self.width:
            return np.zeros(len(t), dtype=np.complex128)
        log_wave = loggamma(half + 1j * t) - loggamma(half) - 1j * t * math.log(half)
        if self.whole:
            log_wave = log_wave - loggamma(total + 1j * t) + loggamma(total) + 1j * t * math.log(total)
        return np.asarray(log_wave)


@dataclass(frozen=True)
class Share:
    """|phi(h)|^2 / |h|^2 of n units, phi of negative slope a: a^2 + (1 - a^2) Beta(K/2, (n - K)/2), K ~ Bin(n, 1/2)."""

    width: int
    slope: float

    @property
    def averages(self) -> Averages:
        return _share(self.width, self.slope)

    def log_wave(self, t: Array) -> Waves:
        """(frequency,) log E exp(i t log F) given F > 0."""
        from scipy.special import loggamma

        if self.slope**2 == 1.0:
            return np.zeros(len(t), dtype=np.complex128)
        if self.slope == 0.0:
            k, weight = live_units(self.width)
            half = 0.5 * self.width
            beta = loggamma(0.5 * k[:, None] + 1j * t) - loggamma(0.5 * k)[:, None]
            wave = weight @ np.exp(beta - loggamma(half + 1j * t) + loggamma(half))
        else:
            logs, weight = _log_share(self.width, self.slope)
            wave = np.exp(1j * np.outer(t, logs)) @ weight
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(wave))


@lru_cache(maxsize=4096)
def _length(width: int, whole: int) -> Averages:
    from scipy.special import gammaln, polygamma, psi

    half, total = 0.5 * width, 0.5 * whole
    if whole == width:
        return Averages(0.0, 0.0, 1.0)
    mean, variance = float(psi(half)) - math.log(half), float(polygamma(1, half))
    root = float(gammaln(half + 0.5) - gammaln(half)) - 0.5 * math.log(half)
    if whole:
        mean -= float(psi(total)) - math.log(total)
        variance -= float(polygamma(1, total))
        root -= float(gammaln(total + 0.5) - gammaln(total)) - 0.5 * math.log(total)
    return Averages(mean, variance, math.exp(root))


@lru_cache(maxsize=4096)
def _share(width: int, slope: float) -> Averages:
    """Relative error about 1e-12."""
    from scipy.special import gammaln, polygamma, psi

    if slope**2 == 1.0:
        return Averages(0.0, 0.0, 1.0)
    if slope == 0.0:
        k, weight = live_units(width)
        half, zero = 0.5 * width, 2.0**-width if width < 1074 else 0.0
        mean, variance = psi(0.5 * k) - psi(half), polygamma(1, 0.5 * k) - polygamma(1, half)
        root = np.exp(gammaln(0.5 * (k + 1)) - gammaln(0.5 * k) - gammaln(half + 0.5) + gammaln(half))
        total = float(weight @ mean)
        spread = float(weight @ (variance + (mean - total) ** 2))
        return Averages(total, spread, float(weight @ root) * (1.0 - zero), zero)
    logs, weight = _log_share(width, slope)
    total = float(weight @ logs)
    return Averages(total, float(weight @ (logs - total) ** 2), float(weight @ np.exp(0.5 * logs)))


def _binomial(width: int) -> tuple[Array, Array]:
    """Numbers of positive units among ``width``, and their probabilities."""
    from scipy.special import gammaln

    reach = int(WINDOW * 0.5 * math.sqrt(width)) + 2
    k = np.arange(max(0, width // 2 - reach), min(width, width // 2 + reach) + 1).astype(np.float64)
    weight = np.exp(gammaln(width + 1) - gammaln(k + 1) - gammaln(width - k + 1) - width * math.log(2.0))
    return k, weight / weight.sum()


def live_units(width: int) -> tuple[Array, Array]:
    """The same given that at least one is positive."""
    k, weight = _binomial(width)
    return k[k > 0], weight[k > 0] / weight[k > 0].sum()


@lru_cache(maxsize=256)
def _log_share(width: int, slope: float) -> tuple[Array, Array]:
    """(node,) log F and weights, for a slope other than 0 and 1: a rule in the angle of the mixture of Betas.

    B = sin^2(angle): the density sin^(k-1) cos^(n-k-1) is smooth and nearly Gaussian about its middle.
    """
    from scipy.special import gammaln

    k, weight = _binomial(width)
    ends = (k == 0) | (k == width)
    inner, share = k[~ends], weight[~ends]
    middle = np.arctan2(np.sqrt(inner), np.sqrt(width - inner)) if len(inner) else np.full(1, 0.25 * math.pi)
    reach = WINDOW / math.sqrt(2.0 * width)
    low, high = max(0.0, float(middle.min()) - reach), min(0.5 * math.pi, float(middle.max()) + reach)
    even = np.linspace(low, high, PANELS + 1)
    graded = (even[1] - even[0]) * 0.5 ** np.arange(1, 21)  # a small slope: log F bends where the angle is like it
    angle, w = quadrature.panels(np.unique(np.concatenate([low + graded, even, high - graded])), 16)
    log_norm = math.log(2.0) + gammaln(0.5 * width) - gammaln(0.5 * inner) - gammaln(0.5 * (width - inner))
    log_density = np.outer(inner - 1.0, np.log(np.sin(angle))) + np.outer(width - inner - 1.0, np.log(np.cos(angle)))
    density = share @ np.exp(log_density + log_norm[:, None]) * w
    a2 = slope * slope
    values = np.concatenate([a2 + (1.0 - a2) * np.sin(angle) ** 2, [a2, 1.0]])
    total = np.concatenate([density, [weight[k == 0].sum(), weight[k == width].sum()]])
    return np.log(values), total / total.sum()
