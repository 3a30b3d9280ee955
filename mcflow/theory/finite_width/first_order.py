"""Finite width to first order in 1/width: shifts of the means and spreads over networks, any activation and weights.

All symbols are relative to the infinite-width variance K of a layer: ``shift`` = (E G - K) / K, ``spread`` =
Var G / K^2, and ``a[m]`` = K^m V^(m)(K) / K', so that nothing leaves float64 where K does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mcflow import quantities
from mcflow.activations.registry import Activation
from mcflow.mean_field import fractions
from mcflow.mean_field.moments import LOG_Q_HIGH, LOG_Q_LOW, USER_LOG_Q_HIGH, Moments, moments
from mcflow.mean_field.quadrature import Array
from mcflow.theory.estimate import Estimate, from_logs
from mcflow.theory.finite_width import batch
from mcflow.theory.infinite_width import first_layer
from mcflow.theory.infinite_width.trajectory import Trajectory
from mcflow.theory.stack import Stack, log_mean

TRUSTED = 0.15  # largest second-order share of Var q up to a layer, for the layer to be used
# largest Var / mean^2 of a gradient's second moment: the next order is half its square (log-normal) to 1.3 times it
TRUSTED_GRADIENT = 0.15
TRUSTED_BATCH = 0.035  # the same where the spread of a batch rests on it, whose pairs have no second order to judge by
DIFFERENCE = 1e-3  # relative step in q for the derivatives of probabilities, whose second-order error is 1e-6


@dataclass(frozen=True)
class Expansion:
    """The recursion along one trajectory, (layer,) each; NaN from the layer on where it is not to be trusted.

    ``local`` is the spread that an average over the units of a layer sees (it differs from ``spread`` for orthogonal
    weights, whose |h| is fixed), ``kurtosis`` the excess fourth cumulant of h over K^2, ``second`` the second-order
    part of the shift, ``averages`` the Gaussian averages at K, ``doubt`` the largest second-order share of Var q up to
    the layer.
    """

    averages: list[Moments]
    log_k: Array
    share: Array  # of the weights in K: sigma_w^2 M / K
    a: Array  # (layer, 5), a[m] of the map from this layer to the next; the last row is NaN
    noise: Array  # (layer,) sigma_w^4 Var(phi^2) / K'^2
    shift: Array
    spread: Array
    local: Array
    kurtosis: Array
    second: Array
    doubt: Array

    @property
    def trusted(self) -> NDArray[np.bool_]:
        return self.doubt < TRUSTED


def estimates(stack: Stack, path: Trajectory) -> dict[str, Estimate]:
    """First-order predictions by quantity: means for any batch, spreads for one input. Empty outside float64's range.

    NaN in the layers where the expansion is not to be trusted: its next order changes Var q by more than 15 %.
    """
    rows = [expand(stack, path, row) for row in range(len(path.share))]
    if any(row is None for row in rows):
        return {}
    expansions = [row for row in rows if row is not None]
    single = len(stack.input_moment) == 1
    found: dict[str, tuple[Array, Array]] = {}  # (row, layer) means and variances
    for name, observable in OBSERVABLES.items():
        values = [_forward(stack, row, observable, quantities.get(name).kind == "fraction") for row in expansions]
        found[name] = np.array([value[0] for value in values]), np.array([value[1] for value in values])
    q = np.array([np.exp(row.log_k) * (1.0 + row.shift) for row in expansions])
    trusted = np.array([row.trusted for row in expansions])
    found["preactivation_mean"] = np.where(trusted, 0.0, np.nan), np.where(trusted, q / stack.width, np.nan)
    std, cosine = _batch_spreads(stack, path, expansions, found)
    out: dict[str, Estimate] = {}
    for name, (means, variances) in found.items():
        mean = path.share @ means
        kind = quantities.get(name).kind
        if kind == "fraction":  # a dead layer is one of h = 0
            mean = stack.alive * mean + (1.0 - stack.alive) * float(name == "saturated_fraction")
        spread = np.sqrt(np.maximum(variances[0], 0.0)) if single else std.get(name)
        out[name] = Estimate("first-order", mean, spread, _log10(mean) if kind == "moment" else None)
    if cosine is not None:
        out["preactivation_correlation"] = cosine
    return out | _gradients(stack, path, expansions, single)


def _batch_spreads(
    stack: Stack, path: Trajectory, expansions: list[Expansion], found: dict[str, tuple[Array, Array]]
) -> tuple[dict[str, Array], Estimate | None]:
    """Standard deviations of averages over several inputs, and their cosines; see ``batch``."""
    responses = {
        name: np.array([observable(stack.activation, row.averages)[1] for row in expansions])
        for name, observable in OBSERVABLES.items()
        if name in batch.COVARIANCES
    }
    pairs = batch.pairs(stack, path, responses)
    if pairs is None:
        return {}, None
    # a kurtosis adds a share of itself / 2 to Var h^2, and a third of that to every covariance
    tails = (len(path.row) + 2) / 6
    certain = np.array([row.doubt + np.abs(row.kurtosis) * tails < TRUSTED_BATCH for row in expansions])
    certain &= pairs.doubt < TRUSTED_BATCH
    own = {name: path.share @ np.where(certain, found[name][1], np.nan) for name in batch.COVARIANCES}
    return batch.estimates(stack, pairs, own)


def expand(stack: Stack, path: Trajectory, row: int) -> Expansion | None:
    """The first- and second-order recursion for one input norm; None where K leaves the range of quadrature."""
    log_k = path.preactivation[row]
    high = LOG_Q_HIGH if stack.activation.is_builtin else USER_LOG_Q_HIGH
    if not (np.isfinite(log_k).all() and log_k.min() > LOG_Q_LOW and log_k.max() < high):
        return None
    depth = stack.depth
    averages = [moments(stack.activation, math.exp(x)) for x in log_k.tolist()]
    if path.first is not None:
        averages[0] = first_layer.moments(path.first[row], stack.activation)
    a, noise = np.full((depth, 5), np.nan), np.zeros(depth)
    shift, spread, local, kurtosis, second = np.zeros((5, depth))
    doubt = np.zeros(depth)
    previous = np.concatenate([[path.input[row]], path.activation[row, :-1]])
    share = np.exp(np.log(stack.forward) + previous - log_k)
    fourth = float(np.mean(stack.input_fourth[path.row == row]))
    state = np.zeros(6)  # A1, A2, B1, B2, C2, E2 of the theory note, over powers of K
    for layer in range(depth):
        n, k = stack.width[layer], math.exp(log_k[layer])
        shift[layer], second[layer], spread[layer] = state[0], state[1], state[2]
        local[layer] = state[2] + _rigidity(stack, layer) * share[layer] ** 2
        weight = stack.weight_variance[layer] / k
        kurtosis[layer] = stack.kurtosis * weight * weight * stack.fan_in[layer] * fourth
        fourth = float(averages[layer].fourth[0])
        correction = state[3] - state[0] ** 2 + (2.0 / n) * (2.0 * state[0] + state[2])
        doubt[layer] = abs(correction) / (state[2] + 2.0 / n)
        if layer + 1 < depth:
            a[layer], s = _map(averages[layer], stack.forward[layer + 1], math.exp(log_k[layer + 1]))
            noise[layer] = s[0]
            effective = local[layer] - state[2] + kurtosis[layer] / 3.0
            state = _step(state, a[layer], s, n, local[layer] - state[2], effective)
    doubt = np.maximum.accumulate(doubt)
    return Expansion(averages, log_k, share, a, noise, shift, spread, local, kurtosis, second, doubt)


def _rigidity(stack: Stack, layer: int) -> float:
    """What orthogonal weights take off the spread: |h|^2 = |W x|^2 is fixed, or Beta, instead of chi^2."""
    if stack.distribution.is_independent:
        return 0.0
    n, n_in = stack.width[layer], stack.fan_in[layer]
    return 2.0 * max(0.0, 1.0 / n - 1.0 / n_in) - 2.0 / n


def _map(m: Moments, forward: float, k_next: float) -> tuple[Array, Array]:
    """K^m V^(m) / K' for m = 0..4, and S, K S', K^2 S'' over K'^2 and the third cumulant over K'^3."""
    powers = 0.5 ** np.arange(5)
    c = forward / k_next
    a = c * m.second * powers
    p2, p4 = m.second * powers, m.fourth * powers[:3]
    s = p4[0] - p2[0] ** 2
    s1 = p4[1] - 2.0 * p2[0] * p2[1]
    s2 = p4[2] - 2.0 * p2[1] ** 2 - 2.0 * p2[0] * p2[2]
    s3 = m.sixth - 3.0 * p4[0] * p2[0] + 2.0 * p2[0] ** 3
    return a, np.array([s * c**2, s1 * c**2, s2 * c**2, s3 * c**3])


def _step(state: Array, a: Array, s: Array, n: float, rigid: float, effective: float) -> Array:
    """One layer of the recursion. ``rigid`` adds to the variance seen by the next layer, ``effective`` to the mean."""
    a1, a2, b1, b2, c2, e2 = state
    _, v1, v2, v3, v4 = a
    noise, noise1, noise2, third = s
    return np.array(
        [
            v1 * a1 + v2 * (b1 + effective) / 2,
            v1 * a2 + v2 * b2 / 2 + v3 * c2 / 6 + v4 * e2 / 24,
            v1**2 * (b1 + rigid) + noise / n,
            v1**2 * b2 + v1 * v2 * c2 + (v2**2 / 4 + v1 * v3 / 3) * e2 + (noise1 * a1 + noise2 * b1 / 2) / n,
            v1**3 * c2
            + 1.5 * v1**2 * v2 * e2
            + (3 / n) * (v1 * noise * a1 + (v2 * noise / 2 + v1 * noise1) * b1)
            + third / n**2,
            v1**4 * e2 + 6 * v1**2 * b1 * noise / n + 3 * noise**2 / n**2,
        ]
    )


# (activation, (point,) averages) -> (4, point): F, K F', K^2 F'' and Var f for F(K) = E f(h), h ~ N(0, K)
Observable = Callable[[Activation, Sequence[Moments]], Array]


def _second(activation: Activation, averages: Sequence[Moments]) -> Array:
    q = _variances(averages)
    return np.stack([q, q, np.zeros_like(q), 2.0 * q**2])


def _fourth(activation: Activation, averages: Sequence[Moments]) -> Array:
    square = _variances(averages) ** 2
    return np.stack([3.0 * square, 6.0 * square, 6.0 * square, 96.0 * square**2])


def _activation_second(activation: Activation, averages: Sequence[Moments]) -> Array:
    p, fourth = np.array([m.second for m in averages]), np.array([m.fourth[0] for m in averages])
    return np.stack([p[:, 0], p[:, 1] / 2, p[:, 2] / 4, fourth - p[:, 0] ** 2])


def _activation_mean(activation: Activation, averages: Sequence[Moments]) -> Array:
    return _of_first_power(np.array([m.mean for m in averages]), averages)


def _activation_size(activation: Activation, averages: Sequence[Moments]) -> Array:
    return _of_first_power(np.array([m.size for m in averages]), averages)


def _of_first_power(p: Array, averages: Sequence[Moments]) -> Array:
    return np.stack([p[:, 0], p[:, 1] / 2, p[:, 2] / 4, np.array([m.second[0] for m in averages]) - p[:, 0] ** 2])


def _probability(of: Callable[[Activation, Array], Array]) -> Observable:
    def observe(activation: Activation, averages: Sequence[Moments]) -> Array:
        steps = np.array([[1.0 - DIFFERENCE], [1.0], [1.0 + DIFFERENCE]])
        low, p, high = of(activation, _variances(averages) * steps)
        slope = (high - low) / (2.0 * DIFFERENCE)
        return np.stack([p, slope, (high - 2.0 * p + low) / DIFFERENCE**2, p * (1.0 - p)])

    return observe


def _variances(averages: Sequence[Moments]) -> Array:
    return np.array([m.q for m in averages])


OBSERVABLES: dict[str, Observable] = {
    "preactivation_second_moment": _second,
    "preactivation_fourth_moment": _fourth,
    "activation_second_moment": _activation_second,
    "activation_mean": _activation_mean,
    "activation_absolute_mean": _activation_size,
    "active_fraction": _probability(fractions.active),
    "saturated_fraction": _probability(fractions.saturated),
}


def _forward(stack: Stack, row: Expansion, observable: Observable, rare: bool) -> tuple[Array, Array]:
    """Mean and variance over networks of the average of f over the units of each layer."""
    f, f1, f2, variance = observable(stack.activation, row.averages)
    correction = f1 * row.shift + f2 * (row.local + row.kurtosis / 3.0) / 2.0
    spread = f1**2 * row.local + variance / stack.width
    # a probability far out in the tail moves by more than its first order
    trusted = row.trusted & (np.abs(f2 * row.local) < 0.2 * np.abs(f)) if rare else row.trusted
    return np.where(trusted, f + correction, np.nan), np.where(trusted, spread, np.nan)


def _gradients(stack: Stack, path: Trajectory, expansions: list[Expansion], single: bool) -> dict[str, Estimate]:
    logs, products, spread, product_spread = [], [], None, None
    previous = np.concatenate([path.input[:, None], path.activation[:, :-1]], axis=1)
    for row, e in enumerate(expansions):
        correction, response, variance = _backward(stack, e)
        with np.errstate(invalid="ignore", divide="ignore"):
            logs.append(path.gradient[row] + np.log1p(correction) + np.log(stack.alive))
            joint = correction + (e.shift + response * e.spread) / e.share
            products.append(path.gradient[row] + previous[row] + np.log1p(joint))
        spread = np.where(variance < TRUSTED_GRADIENT, variance, np.nan)
        product_spread = variance + (2.0 * response + 1.0 / e.share) * e.spread / e.share
        product_spread = np.where(product_spread < TRUSTED_GRADIENT, product_spread, np.nan)
    share = np.log(path.share * len(path.share))[:, None]
    return {
        "gradient_second_moment": from_logs(
            "first-order", log_mean(np.array(logs) + share), spread if single else None
        ),
        "weight_gradient_second_moment": from_logs(
            "first-order", log_mean(np.array(products) + share), product_spread if single else None
        ),
    }


def _backward(stack: Stack, e: Expansion) -> tuple[Array, Array, Array]:
    """Relative shift of E d_l^2, response of d_l^2 to a relative change of G_l, relative variance of mean d_l^2.

    The shift has the fluctuations of G in every chi, their covariance along the way, and the alignment: the weights
    that carry d back are the weights that made h.
    """
    depth, width = stack.depth, stack.width
    slope = np.array([m.slope for m in e.averages])
    c1, c2 = slope[:, 1] / (2 * slope[:, 0]), slope[:, 2] / (4 * slope[:, 0])
    second = np.array([m.second[0] for m in e.averages])
    mixed, along = np.array([m.mixed for m in e.averages]), np.array([m.along for m in e.averages])
    slope_z2 = np.array([m.slope_z2 for m in e.averages])
    noise4 = np.array([m.slope_fourth for m in e.averages]) / slope[:, 0] ** 2
    a1 = np.where(np.isnan(e.a[:, 1]), 0.0, e.a[:, 1])
    k = np.exp(e.log_k)
    response, correction, variance = np.zeros((3, depth))
    aligned = slope_z2[-1] / slope[-1, 0]  # E (h.d)^2 / (K E |d|^2): 1 where d does not know h
    sigma = np.append(stack.forward[1:], 0.0)
    ratio = np.append(sigma[:-1] / k[1:], 0.0)  # sigma_w^2 / K'
    total = own = 0.0
    for layer in range(depth - 1, -1, -1):
        n = width[layer]
        beyond = response[layer + 1] if layer + 1 < depth else 0.0
        response[layer] = c1[layer] + a1[layer] * beyond
        local = c1[layer] * e.shift[layer] + c2[layer] * (e.local[layer] + e.kurtosis[layer] / 3.0) / 2.0
        covariance = ratio[layer] * (mixed[layer] / slope[layer, 0] - second[layer])
        local += beyond * (c1[layer] * a1[layer] * e.local[layer] + covariance / n)
        fluctuation = 3.0 * noise4[layer] - 1.0
        if layer + 1 < depth:
            tilt = ratio[layer] * mixed[layer] / slope[layer, 0] / n
            local += tilt * ((aligned - 1.0) + stack.kurtosis * c1[layer + 1])
            if not stack.distribution.is_independent:
                big = max(n, width[layer + 1])
                local -= (aligned - 1.0) / big
                fluctuation += n * 2.0 * max(0.0, 1.0 / n - 1.0 / width[layer + 1]) - 2.0
            aligned = (ratio[layer] * along[layer] ** 2 * (aligned - 1.0) + slope_z2[layer]) / slope[layer, 0]
        total += local
        own += (fluctuation + 2.0 * beyond * covariance + beyond**2 * e.noise[layer]) / n
        correction[layer] = total
        variance[layer] = response[layer] ** 2 * e.local[layer] + own
    if not e.trusted[-1]:
        variance[:] = np.nan
        if stack.activation.negative_slope is None:  # else chi does not depend on G, and its mean needs no expansion
            correction[:] = np.nan
    return correction, response, variance


def _log10(values: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log10(values)
