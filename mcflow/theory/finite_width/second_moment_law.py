"""The exact law of the second moment of h over networks, layer by layer: probabilities, quantiles and density."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mcflow.quantities import ALL
from mcflow.theory.finite_width import products
from mcflow.theory.finite_width.factors import Length
from mcflow.theory.stack import Stack

Floats = NDArray[np.float64]
_GRID = 400  # points in log q between which probabilities are interpolated: 1e-6
_REACH = 9.0  # standard deviations of log q that the grid covers
_PERIOD = 20.0  # half period of the inversion, in standard deviations
_FEWEST = 12  # orthogonal units, below which a law has atoms of more than 2^-12
_FREQUENCIES = 256  # up to 40 inverse standard deviations, where the wave has long decayed


@dataclass(frozen=True)
class Law:
    """(point,) the probabilities that log q is under ``logs``; ``has_tails`` where small ones are right too."""

    logs: Floats
    probability: Floats
    has_tails: bool = False

    def cdf(self, logs: Floats) -> Floats:
        """P(log q < each of ``logs``); the share of networks where q is exactly 0 counts as below."""
        from scipy.interpolate import PchipInterpolator

        at = np.clip(logs, self.logs[0], self.logs[-1])
        return np.asarray(PchipInterpolator(self.logs, self.probability)(at), dtype=np.float64)

    def density(self, logs: Floats) -> Floats:
        """Density of log q at ``logs``: what a histogram over log q shows."""
        from scipy.interpolate import PchipInterpolator

        found = PchipInterpolator(self.logs, self.probability).derivative()(np.clip(logs, self.logs[0], self.logs[-1]))
        return np.where((logs > self.logs[0]) & (logs < self.logs[-1]), np.maximum(found, 0.0), 0.0)


QUANTITIES = tuple(quantity.name for quantity in ALL if quantity.is_second_moment and quantity.divisor == "units")


def laws(stack: Stack, layers: Sequence[int]) -> dict[str, dict[int, Law]]:
    """quantity -> layer (from 1) -> its law over the networks where it is not 0; empty where theory has none.

    For one input. (Leaky) ReLU and identity, normal or orthogonal weights: every layer multiplies by independent
    factors, so that characteristic functions of logarithms multiply; with biases that is so of gradients. Else, for
    normal weights, q_l given G_l, the variance of one preactivation, is G_l chi^2_n / n, and the law of G_l is that of
    theory's chain.
    """
    if len(stack.input_moment) != 1 or stack.input_moment[0] == 0:
        return {}
    out = _products(stack, layers)
    if QUANTITIES[0] in out or not stack.distribution.is_gaussian or (stack.has_bias and stack.uniform_bias):
        return out
    from mcflow.theory.finite_width import exact_law, law_estimates
    from mcflow.theory.infinite_width import trajectory

    try:
        (chain,) = law_estimates.chains(stack, trajectory.trajectory(stack))
    except (exact_law.Unresolved, ValueError):  # ValueError: an activation that cannot be averaged there
        return out
    mixed = {layer: _mixed(*chain.at(layer - 1), float(stack.width[layer - 1])) for layer in layers}
    return {QUANTITIES[0]: mixed, **out}


def _mixed(log_g: Floats, weights: Floats, width: float) -> Law:
    """The law of G chi^2_n / n."""
    from scipy.special import chdtr

    weights = weights / weights.sum()
    mean = float(weights @ log_g)
    spread = math.sqrt(max(float(weights @ (log_g - mean) ** 2), 0.0) + 2.0 / width)
    logs = mean + spread * np.linspace(-_REACH, _REACH, _GRID)
    table = chdtr(width, width * np.exp(logs[:, None] - log_g[None, :])) @ weights
    return Law(logs, np.maximum.accumulate(np.clip(table, 0.0, 1.0)))


def _products(stack: Stack, layers: Sequence[int]) -> dict[str, dict[int, Law]]:
    out: dict[str, dict[int, Law]] = {}
    for name, product in products.products(stack).items():
        mean, variance = product.total("log_mean"), product.total("log_variance")
        for layer in layers:
            k = layer - 1
            factors = product.of_layer(k)
            if _is_smooth(factors):
                law = _product(product.log_scale[k], product.log_scale[k] + mean[k], math.sqrt(variance[k]), factors)
                out.setdefault(name, {})[layer] = law
    return out


def _is_smooth(factors: Counter[products.Factor]) -> bool:
    """Whether inversion resolves the law: one factor is of a normal vector, or all are of many units.

    Few orthogonal units that are all on, or all off, are an atom of it.
    """
    if any(isinstance(factor, Length) and factor.whole == 0 for factor in factors):
        return True
    spread = sum(factor.averages.log_variance for factor in factors)
    return spread > 0 and min(factor.width for factor in factors) >= _FEWEST


def _product(shift: float, mean: float, spread: float, factors: Counter[products.Factor]) -> Law:
    """The law of shift + the sum of the logarithms of independent factors, by Gil-Pelaez inversion (1951)."""
    step = math.pi / (_PERIOD * spread)
    t = step * (np.arange(_FREQUENCIES) + 0.5)
    log_wave = 1j * t * (shift - mean)
    for factor, count in factors.items():
        log_wave = log_wave + count * _log_wave(factor, step)
    u = spread * np.linspace(-_REACH, _REACH, _GRID)
    table = 0.5 - (step / math.pi) * ((np.exp(log_wave) / t) @ _turns()).imag
    return Law(mean + u, np.maximum.accumulate(np.clip(table, 0.0, 1.0)), has_tails=True)


@lru_cache(maxsize=1)
def _turns() -> NDArray[np.complex128]:
    """(frequency, point) exp(-i t u): frequencies and points are in units of the spread, which drops out."""
    t = math.pi / _PERIOD * (np.arange(_FREQUENCIES) + 0.5)
    return np.asarray(np.exp(-1j * np.outer(t, np.linspace(-_REACH, _REACH, _GRID))))


@lru_cache(maxsize=1024)
def _log_wave(factor: products.Factor, step: float) -> NDArray[np.complex128]:
    """(frequency,) log E exp(i t log F) given F > 0."""
    t = np.asarray(step * (np.arange(_FREQUENCIES) + 0.5), dtype=np.float64)
    return factor.log_wave(t)
