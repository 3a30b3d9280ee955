"""The exact law of the second moment of h over networks, layer by layer: probabilities, quantiles and density."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mcflow.theory.stack import Stack
from mcflow.theory.unit_law import unit_law

Floats = NDArray[np.float64]
_GRID = 400  # points in log q between which probabilities are interpolated: 1e-6
_REACH = 9.0  # standard deviations of log q that the grid covers
_PERIOD = 20.0  # half period of the inversion, in standard deviations
_FREQUENCIES = 256  # up to 40 inverse standard deviations, where the wave has long decayed


@dataclass(frozen=True)
class Law:
    """(point,) the probabilities that log q is under ``logs``."""

    logs: Floats
    probability: Floats

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


QUANTITIES = ("preactivation_second_moment", "activation_second_moment", "gradient_second_moment")


def laws(stack: Stack, layers: Sequence[int]) -> dict[str, dict[int, Law]]:
    """quantity -> layer (from 1) -> its law over the networks where it is not 0; empty where theory has none.

    For Gaussian weights and one input. ReLU and identity without biases: every layer multiplies by an independent
    factor, so that characteristic functions of logarithms multiply. Else q_l given G_l, the variance of one
    preactivation, is G_l chi^2_n / n, and the law of G_l is that of theory's chain.
    """
    normal_bias = not (stack.has_bias and stack.uniform_bias)
    if stack.distribution != "normal" or len(stack.input_moment) != 1 or not normal_bias or stack.input_moment[0] == 0:
        return {}
    if stack.activation.negative_slope in (0.0, 1.0) and not stack.has_bias:
        return _products(stack, layers)
    from mcflow.theory import exact_law

    try:
        chain = exact_law.chain(
            stack.activation, stack.width, stack.forward, stack.bias_variance, float(stack.input_moment[0])
        )
    except (exact_law.Unresolved, ValueError):  # ValueError: an activation that cannot be averaged there
        return {}
    return {QUANTITIES[0]: {layer: _mixed(*chain.at(layer - 1), float(stack.width[layer - 1])) for layer in layers}}


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
    slope = float(stack.activation.negative_slope or 0.0)
    unit = [unit_law(int(n), slope) for n in stack.width.tolist()]
    chi = [unit_law(int(n), 1.0) for n in stack.width.tolist()]
    # characteristic functions depend on the width alone: count how often each stands in a product
    out: dict[str, dict[int, Law]] = {name: {} for name in QUANTITIES}
    log_input = math.log(float(stack.input_moment[0]))
    for layer in layers:
        below, above = range(layer - 1), range(layer - 1, stack.depth)
        start = log_input + float(np.log(stack.forward[:layer]).sum())
        end = float(np.log(stack.backward[layer - 1 :]).sum())
        for name, shift, units, last in (
            (QUANTITIES[0], start, below, [layer - 1]),
            (QUANTITIES[1], start, range(layer), []),
            (QUANTITIES[2], end, above, []),
        ):
            mean = shift + sum(unit[k].log_mean for k in units) + sum(chi[k].log_mean for k in last)
            spread = math.sqrt(sum(unit[k].log_variance for k in units) + sum(chi[k].log_variance for k in last))
            factors = [(int(stack.width[k]), slope) for k in units] + [(int(stack.width[k]), 1.0) for k in last]
            out[name][layer] = _product(shift, mean, spread, factors)
    return out


def _product(shift: float, mean: float, spread: float, factors: list[tuple[int, float]]) -> Law:
    """The law of shift + sum of independent log factors, each (width, slope), by Gil-Pelaez inversion (1951)."""
    step = math.pi / (_PERIOD * spread)
    t = step * (np.arange(_FREQUENCIES) + 0.5)
    log_wave = 1j * t * (shift - mean)
    for factor in set(factors):
        log_wave = log_wave + factors.count(factor) * _log_wave(*factor, step)
    u = spread * np.linspace(-_REACH, _REACH, _GRID)
    kernel = np.exp(log_wave)[:, None] * np.exp(-1j * np.outer(t, u))
    table = 0.5 - (step / math.pi) * (kernel.imag / t[:, None]).sum(axis=0)
    return Law(mean + u, np.maximum.accumulate(np.clip(table, 0.0, 1.0)))


@lru_cache(maxsize=1024)
def _log_wave(width: int, slope: float, step: float) -> NDArray[np.complex128]:
    """(frequency,) log E exp(i t log R) of one layer's factor R = chi^2_K / n given K > 0; K = n for slope 1.

    E (chi^2_k)^(i t) = 2^(i t) Gamma(k/2 + i t) / Gamma(k/2).
    """
    from scipy.special import gammaln, loggamma

    t = step * (np.arange(_FREQUENCIES) + 0.5)
    if slope == 1.0:
        return np.asarray(loggamma(0.5 * width + 1j * t) - gammaln(0.5 * width) + 1j * t * math.log(2.0 / width))
    reach = int(6.0 * math.sqrt(width)) + 2  # twelve standard deviations of the binomial
    k = np.arange(max(1, width // 2 - reach), min(width, width // 2 + reach) + 1, dtype=np.float64)
    weight = np.exp(gammaln(width + 1) - gammaln(k + 1) - gammaln(width - k + 1) - width * math.log(2.0))
    waves = np.exp(loggamma(0.5 * k[:, None] + 1j * t) - gammaln(0.5 * k)[:, None])
    whole = (weight / weight.sum()) @ waves
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(whole) + 1j * t * math.log(2.0 / width))
