"""The law of one preactivation of layer 1, h = sum_j x_j W_j + b: not Gaussian where few features carry the input.

Given the input the units of layer 1 are independent and have this law exactly, for every scheme of independent weights.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mcflow import quantities
from mcflow.activations.registry import Activation
from mcflow.distributions import NORMAL, UNIFORM, Distribution
from mcflow.mean_field import magnitude
from mcflow.mean_field.evaluation import evaluate, values
from mcflow.mean_field.moments import LOG_Q_HIGH, LOG_Q_LOW, ROUND_OFF, LogMoments, Moments
from mcflow.mean_field.quadrature import Array
from mcflow.quantities import SATURATION
from mcflow.theory.estimate import LN10, Estimate
from mcflow.theory.input_pairs import Index
from mcflow.theory.stack import Stack, log_or_minus_infinity

MOST_ATOMS = 1 << 15  # of a sum of signs; of more its law is taken for a smooth one
POINTS, MOST_POINTS = 1 << 15, 1 << 19  # of the grid: averages err by its spacing squared
FINEST = 0.02  # spacing in h that is fine enough wherever h reaches: activations change over |h| ~ 1
SMOOTHED = 2.0  # spacings; the width of the noise that leaves nothing beyond the grid's highest frequency
REACH = 11.0  # standard deviations of h: 1e-28 lies beyond
MERGED = 1e-9  # sums of signs that differ by less, relative to the largest, are one atom
BESIDE = 1e-9  # of a kink, relative
BISECTIONS = 30
# Excess kurtosis under which h_1 counts as Gaussian, but for the kurtosis term of the first order. MANY inputs, each
# with a law of its own, cost the cosines and spreads of a batch: more of the next order is left out for them.
GAUSSIAN, GAUSSIAN_OF_MANY, MANY = 0.02, 0.1, 8
EXACT = 2  # signs, whose sum is 0 in any arithmetic where it should be: of more, round-off says on which side it is
FEW = 4  # different sizes of entries: sums of their signs have atoms even if there are many
MOST = 64  # different inputs that are followed
LARGEST = 100_000  # entries of all inputs together, that are searched for inputs that are the same
DIGITS = 12  # of entries, to which inputs must agree to have one law


@dataclass(frozen=True, eq=False)  # compared by identity: it is a key
class FirstLaw:
    """E f(h) = sum of ``weights`` f(``h``), (node,) both, for f that is smooth between the nodes.

    ``spacing`` of the nodes is 0 where h has only atoms. ``variance`` and ``fourth`` are E h^2 and E h^4.
    """

    h: Array
    weights: Array
    spacing: float
    variance: float
    fourth: float

    def nodes(self, kinks: Sequence[float]) -> tuple[Array, Array]:
        """The rule for f that jumps at ``kinks``: a jump is moved from the border of a cell to where it is."""
        if self.spacing == 0.0:
            return self.h, self.weights
        extra, weight = [], []
        for kink in kinks:
            k = int(np.clip(np.round((kink - self.h[0]) / self.spacing), 0, len(self.h) - 1))
            off = (kink - self.h[k]) / self.spacing
            if abs(off) < 0.5:
                moved = self.weights[k] * math.copysign(0.5 - abs(off), off)
                extra += [kink + BESIDE * (1.0 + abs(kink)), kink - BESIDE * (1.0 + abs(kink))]
                weight += [moved, -moved]
        return np.concatenate([self.h, extra]), np.concatenate([self.weights, weight])

    def at(self, kinks: Sequence[float]) -> float:
        """P(h is at a kink), where h has atoms."""
        near = [np.abs(self.h - kink) <= MERGED * np.abs(self.h).max() for kink in kinks]
        return float(self.weights @ np.any(near, axis=0)) if near else 0.0

    def agreement(self) -> float:
        """P(two independent h are equal but for their sign), where h has atoms."""
        _, place = np.unique(np.round(np.abs(self.h) / np.abs(self.h).max(), DIGITS - 3), return_inverse=True)
        return float(np.sum(np.bincount(place.ravel(), self.weights) ** 2))

    def share(self, holds: Callable[[Array], NDArray[np.bool_]]) -> float:
        """P(``holds``(h)) of a condition that changes at points further apart than two nodes, found by bisection."""
        inside = holds(self.h)
        total = float(self.weights @ inside)
        if self.spacing == 0.0:
            return total
        change = np.flatnonzero(inside[1:] != inside[:-1])
        left, right = self.h[change], self.h[change + 1]
        for _ in range(BISECTIONS):
            middle = 0.5 * (left + right)
            same = holds(middle) == inside[change]
            left, right = np.where(same, middle, left), np.where(same, right, middle)
        past = (left - self.h[change]) / self.spacing - 0.5  # of the border between the two cells
        moved = np.where(past < 0, -past * self.weights[change], -past * self.weights[change + 1])
        return total + float(np.where(inside[change], -moved, moved).sum())


def law(distribution: Distribution, amplitudes: Array, bias_variance: float, uniform_bias: bool) -> FirstLaw:
    """The law of sum_j a_j w_j + b for (feature,) ``amplitudes`` a_j >= 0 and independent w_j of variance 1."""
    kept = np.sort(amplitudes[amplitudes > 0])[::-1]
    return _law(distribution, kept.tobytes(), bias_variance, uniform_bias)


@lru_cache(maxsize=128)
def _law(distribution: Distribution, data: bytes, bias_variance: float, uniform_bias: bool) -> FirstLaw:
    amplitudes = np.frombuffer(data)
    variance = float(np.sum(amplitudes**2)) + bias_variance
    excess = distribution.excess_kurtosis * float(np.sum(amplitudes**4))
    excess += UNIFORM.excess_kurtosis * bias_variance**2 if uniform_bias else 0.0
    terms = [(float(a), *term(distribution)) for a in amplitudes]
    if bias_variance > 0:
        terms.append((math.sqrt(bias_variance), *term(UNIFORM if uniform_bias else NORMAL)))
    atoms = _atoms(amplitudes) if not distribution.is_continuous and bias_variance == 0 else None
    rule = (*atoms, 0.0) if atoms is not None else _grid(terms, math.sqrt(variance))
    return FirstLaw(*rule, variance, 3.0 * variance**2 + excess)


def _atoms(amplitudes: Array) -> tuple[Array, Array] | None:
    """Values of a sum of signs and their probabilities; None where there are too many."""
    values, weights = np.zeros(1), np.ones(1)
    resolution = MERGED * float(amplitudes.sum())
    for a in amplitudes.tolist():
        both = np.concatenate([values - a, values + a])
        _, first, back = np.unique(np.round(both / resolution), return_index=True, return_inverse=True)
        values = np.asarray(both[first], dtype=np.float64)
        weights = np.asarray(0.5 * np.bincount(back.ravel(), np.concatenate([weights, weights])), dtype=np.float64)
        if len(values) > MOST_ATOMS:
            return None
    return np.where(np.abs(values) < resolution, 0.0, values), weights


Wave = Callable[[Array], Array]


def _grid(terms: list[tuple[float, Wave, float]], deviation: float) -> tuple[Array, Array, float]:
    """Nodes, weights and spacing from the product of the terms' characteristic functions, by one Fourier sum."""
    from scipy.fft import irfft

    reach = min(1.002 * sum(a * bound for a, _, bound in terms), REACH * deviation)
    count = POINTS
    while count < MOST_POINTS and 2.0 * reach > FINEST * count:
        count *= 2
    spacing = 2.0 * reach / count
    t = np.asarray((math.pi / reach) * np.arange(count // 2 + 1), dtype=np.float64)
    wave = window(SMOOTHED * spacing * t)
    for (a, of_term, _), times in Counter(terms).items():
        wave = wave * of_term(a * t) ** times
    start = -reach + 0.5 * spacing  # h = 0, where activations have kinks, is half way between two nodes
    weights = np.asarray(irfft(wave * np.exp(1j * t * start), count), dtype=np.float64)
    return np.asarray(start + spacing * np.arange(count), dtype=np.float64), weights, spacing


def window(u: Array) -> Array:
    """2 exp(-u^2/2) - exp(-u^2): smoothing by normal noise, extrapolated to none, so that its fourth power is left."""
    noise = np.exp(-0.5 * u * u)
    return np.asarray((2.0 - noise) * noise)


def term(distribution: Distribution) -> tuple[Wave, float]:
    """Characteristic function of one term of variance 1, and the largest value that it takes on the grid."""
    assert distribution.wave is not None, f"{distribution} weights are no sum of independent terms"
    return distribution.wave, min(distribution.largest, REACH)


def laws(stack: Stack) -> tuple[Index, tuple[FirstLaw, ...]] | None:
    """(batch,) which law h_1 of each input has, and the laws; None where h_1 counts as Gaussian.

    That is so for normal and orthogonal weights, inputs of many entries of like size, variances near the ends of
    float64, and more than MOST different inputs or LARGEST entries.
    """
    if stack.amplitude is None or stack.amplitude.size > LARGEST:
        return None
    amplitude = np.abs(stack.amplitude)
    variance = stack.forward[0] * stack.input_moment + stack.bias_variance[0]
    if not (variance.min() > math.exp(LOG_Q_LOW) and variance.max() < math.exp(LOG_Q_HIGH)):
        return None
    scaled = np.sort(amplitude, axis=1) / np.sqrt(variance)[:, None]
    least = GAUSSIAN if len(scaled) <= MANY else GAUSSIAN_OF_MANY
    if excess(stack) < least and not _is_lattice(stack, scaled):
        return None
    key = np.concatenate([np.round(scaled, DIGITS), np.round(np.log(variance), DIGITS)[:, None]], axis=1)
    _, first, row = np.unique(key, axis=0, return_index=True, return_inverse=True)
    if len(first) > MOST:
        return None
    bias = float(stack.bias_variance[0]), stack.uniform_bias and stack.has_bias
    return row.ravel().astype(np.int64), tuple(law(stack.distribution, amplitude[k], *bias) for k in first.tolist())


def _is_lattice(stack: Stack, sizes: Array) -> bool:
    """Whether sums of signs take few values for an input, (batch, feature) ``sizes`` in order."""
    steps = np.count_nonzero(np.diff(sizes, axis=1) > MERGED, axis=1)
    return not stack.distribution.is_continuous and not stack.has_bias and bool((steps < FEW).any())


def excess(stack: Stack) -> float:
    """Largest excess kurtosis of h_1, in size, over the inputs; 0 where weights are normal or orthogonal."""
    if stack.amplitude is None:
        return 0.0
    variance = stack.forward[0] * stack.input_moment + stack.bias_variance[0]
    fourth = stack.kurtosis * stack.weight_variance[0] ** 2 * stack.fan_in[0] * stack.input_fourth
    if stack.uniform_bias:
        fourth = fourth + UNIFORM.excess_kurtosis * stack.bias_variance[0] ** 2
    return float(np.abs(fourth / np.where(variance > 0, variance, math.inf) ** 2).max())


def moments(of: FirstLaw, activation: Activation) -> Moments:
    """Every average under this law; memoised. Raises InputError where the activation is not finite."""
    return _moments(of, activation, activation.scalar)


@lru_cache(maxsize=256)
def _moments(of: FirstLaw, activation: Activation, scalar: object) -> Moments:
    """The averages that theory asks of a layer, under this law; those with a Hermite polynomial are 0.

    They are derivatives in the variance, which does not fluctuate in layer 1.
    """
    h, w = of.nodes(activation.kinks)
    p, d = evaluate(activation, h)
    z = h / math.sqrt(of.variance)
    even = None if activation.even_part is None else activation.even_part(h)
    p2, d2 = p * p, d * d
    with np.errstate(over="ignore", under="ignore"):
        rows = [p if even is None else even, p2, p2 * p2, d2, p2**3, d2 * d2, d2 * p2, z * d * p, z * z * d2]
    mean, second, fourth, slope, *rest = (float(w @ row) for row in rows)
    mean = 0.0 if even is None and abs(mean) < 1e3 * ROUND_OFF * math.sqrt(second) else mean

    def alone(value: float, count: int) -> Array:
        return np.array([value] + [0.0] * (count - 1))

    size = alone(_size(of, activation, h, w, p), 3)
    return Moments(of.variance, alone(mean, 3), alone(second, 5), alone(fourth, 3), alone(slope, 3), size, *rest)


def _size(of: FirstLaw, activation: Activation, h: Array, w: Array, phi: Array) -> float:
    """E |phi| under this law; where phi, given at the nodes ``h``, changes its sign, panels are cut."""
    order = np.argsort(h)
    zeros = magnitude.zeros_between(activation, h[order], phi[order])
    if len(zeros):
        h, w = of.nodes((*activation.kinks, *zeros.tolist()))
        phi = values(activation, h)
    return float(w @ np.abs(phi))


def log_moments(of: FirstLaw, activation: Activation) -> LogMoments:
    """As ``mean_field.moments.log_moments``: log E phi^2, E phi'^2, E phi^4, |E phi|, its sign, and log E |phi|."""
    m = moments(of, activation)
    parts = np.array([m.second[0], m.slope[0], m.fourth[0], abs(m.mean[0]), m.size[0]])
    second, slope, fourth, mean, size = log_or_minus_infinity(parts).tolist()
    return second, slope, fourth, mean, math.copysign(math.inf, m.mean[0]), size


def estimates(stack: Stack, share: Array, first: tuple[FirstLaw, ...]) -> dict[str, Estimate]:
    """Exact predictions of layer 1 by quantity, NaN beyond: means for any batch, spreads for one input.

    ``share`` (row,) is the share of the batch that has each of the laws ``first``.
    """
    found = [averages(each, stack.activation) for each in first]
    if any(each.spacing == 0.0 and stack.fan_in[0] > EXACT and each.at(stack.activation.kinks) > 0 for each in first):
        found = [{name: each[name] for name in each if quantities.get(name).kind != "fraction"} for each in found]
    beyond = np.full(stack.depth - 1, np.nan)
    out = {}
    for name in found[0]:
        mean = float(share @ np.array([each[name][0] for each in found]))
        log10 = None
        if quantities.get(name).kind == "moment":
            log10 = np.concatenate([log_or_minus_infinity(np.array([mean])) / LN10, beyond])
        spread = None
        if len(stack.input_moment) == 1:
            spread = np.concatenate([[math.sqrt(max(found[0][name][1], 0.0) / stack.width[0])], beyond])
        out[name] = Estimate("exact", np.concatenate([[mean], beyond]), spread, log10)
    return out


def averages(of: FirstLaw, activation: Activation) -> dict[str, tuple[float, float]]:
    """quantity -> mean and variance of f over units: f = h^2, h^4, phi, phi^2, and whether active, saturated."""
    m = moments(of, activation)
    eighth = float(of.weights @ of.h**8)

    def is_flat(h: Array) -> NDArray[np.bool_]:
        inside = [(h >= low) & (h <= high) for low, high in activation.flat]
        return np.logical_or.reduce([np.zeros(h.shape, dtype=bool), *inside])

    def is_low(h: Array) -> NDArray[np.bool_]:
        return np.abs(evaluate(activation, h)[1]) < SATURATION * activation.dphi_max

    active = 1.0 - of.share(is_flat) if activation.flat else 1.0
    saturated = of.share(is_low) if math.isfinite(activation.dphi_max) else 1.0 - active
    return {
        "preactivation_second_moment": (of.variance, of.fourth - of.variance**2),
        "preactivation_fourth_moment": (of.fourth, eighth - of.fourth**2),
        "activation_mean": (float(m.mean[0]), float(m.second[0] - m.mean[0] ** 2)),
        "activation_absolute_mean": (float(m.size[0]), float(m.second[0] - m.size[0] ** 2)),
        "activation_second_moment": (float(m.second[0]), float(m.fourth[0] - m.second[0] ** 2)),
        "active_fraction": (active, active * (1.0 - active)),
        "saturated_fraction": (saturated, saturated * (1.0 - saturated)),
    }
