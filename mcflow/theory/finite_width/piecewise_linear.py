"""Exact moments at finite width for linear, ReLU and leaky ReLU networks, for every family of weights."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mcflow.distributions import UNIFORM
from mcflow.mean_field.quadrature import Array
from mcflow.quantities import SATURATION
from mcflow.theory.estimate import LN10, Estimate, from_logs
from mcflow.theory.finite_width import products
from mcflow.theory.stack import Stack, log_mean


@dataclass(frozen=True)
class _Moments:
    """Of a vector y of n entries, layer by layer: log E|y|^2 / n, E|y|^4 / (E|y|^2)^2 and E sum y^4 / (E|y|^2)^2."""

    log_mean: Array
    square: Array
    fourth: Array


def estimates(stack: Stack) -> dict[str, Estimate]:
    """Exact predictions by quantity, for one (leaky) ReLU or identity; empty for every other activation.

    Means hold for any number of inputs; spreads are for one input. What is not exact is absent.
    """
    slope = stack.activation.negative_slope
    if slope is None or not (stack.input_moment > 0).all():
        return {}
    m2 = 0.5 * (1.0 + slope * slope)
    ratio = 0.5 * (1.0 + slope**4) / (m2 * m2)  # m4 / m2^2; kappa_a of the theory note is 3 ratio - 1
    single = len(stack.input_moment) == 1
    known = stack.distribution.is_independent or not stack.has_bias
    log_q, log_x = _means(stack, m2)
    h, x = _forward(stack, ratio, 0) if single and known else (None, None)
    law = products.log_laws(stack) if single else {}
    relative = lambda moments: None if moments is None else moments.square - 1.0  # noqa: E731
    out = {
        "preactivation_second_moment": from_logs("exact", log_q, relative(h), law.get("preactivation_second_moment")),
        "activation_second_moment": from_logs("exact", log_x, relative(x), law.get("activation_second_moment")),
    }
    with np.errstate(over="ignore", under="ignore"):
        spread = np.exp(0.5 * log_q) / np.sqrt(stack.width) if single else None
    out["preactivation_mean"] = Estimate("exact", np.zeros(stack.depth), spread)
    if known:
        out["preactivation_fourth_moment"] = from_logs("exact", _log_fourth(stack, ratio))
    if not products.coins_are_fair(stack):
        return out
    out |= _gradients(stack, m2, ratio, x, log_x, law)
    out |= _fractions(stack, slope)
    magnitude = products.log_mean_magnitude(stack)
    if magnitude is not None:  # |x| is |h| above zero and |slope| |h| below
        out["activation_absolute_mean"] = from_logs("exact", math.log(0.5 * (1.0 + abs(slope))) + magnitude)
    if slope == 1.0:
        out["activation_mean"] = Estimate("exact", np.zeros(stack.depth))
    elif magnitude is not None:
        with np.errstate(over="ignore", under="ignore"):
            mean = 0.5 * (1.0 - slope) * np.exp(magnitude)
        log10 = math.log10(abs(0.5 * (1.0 - slope))) + magnitude / LN10
        out["activation_mean"] = Estimate("exact", mean, log10=log10)
    return out


def dead_probability(stack: Stack) -> Array | None:
    """(layer,) P(x_l = 0) for ReLU; None where theory does not give it.

    Every unit of a live layer is off with probability 1/2, independently: 1 - prod_(k<=l) (1 - 2^-n_k) without biases,
    which let no layer live on a dead one, and 2^-n_l with them.
    """
    if stack.activation.negative_slope != 0.0 or not products.coins_are_fair(stack):
        return None
    if stack.has_bias:
        return np.exp2(-stack.width)
    return -np.expm1(np.cumsum(np.log1p(-np.exp2(-stack.width))))


def _means(stack: Stack, m2: float) -> tuple[Array, Array]:
    """log E h^2 and log E x^2 over networks and inputs: E phi(h)^2 = m2 E h^2 for every symmetric h."""
    log_forward = np.log(stack.forward)
    log_x = np.log(stack.input_moment)
    q, x = np.empty((2, stack.depth))
    for layer in range(stack.depth):
        log_h = log_forward[layer] + log_x
        if stack.bias_variance[layer] > 0:
            log_h = np.logaddexp(log_h, math.log(stack.bias_variance[layer]))
        log_x = math.log(m2) + log_h
        q[layer], x[layer] = log_mean(log_h), log_mean(log_x)
    return q, x


def _forward(stack: Stack, ratio: float, which: int) -> tuple[_Moments, _Moments]:
    """Relative second moments of |h_l|^2 and |x_l|^2 of input ``which``.

    Independent symmetric weights of excess kurtosis k: E h_i^4 = v^2 (3 A + k B), E h_i^2 h_j^2 = v^2 A with
    A = E|x|^4, B = E sum x^4. Orthogonal: h is uniform in direction, |h|^2 = c^2 |x|^2 Beta.
    """
    n0 = stack.fan_in[0]
    square, fourth = 1.0, float(stack.input_fourth[which] / stack.input_moment[which] ** 2 / n0)
    log_x = math.log(stack.input_moment[which])
    h = np.empty((3, stack.depth))
    x = np.empty((3, stack.depth))
    bias_kurtosis = UNIFORM.excess_kurtosis if stack.uniform_bias else 0.0
    m2 = 0.5 * (1.0 + (stack.activation.negative_slope or 0.0) ** 2)
    for layer in range(stack.depth):
        n, n_in = stack.width[layer], stack.fan_in[layer]
        log_weights = math.log(stack.forward[layer]) + log_x
        log_h = float(np.logaddexp(log_weights, math.log(b))) if (b := stack.bias_variance[layer]) > 0 else log_weights
        share = math.exp(log_weights - log_h)  # of the weights in E h^2
        if not stack.distribution.is_independent:
            big = max(n, n_in)
            whole = square * (n + 2.0) / n * big / (big + 2.0)
            entry = 3.0 * whole / (n * (n + 2.0))
            cross = whole / (n * (n + 2.0))
            entry, cross = entry * n * n, cross * n * n  # relative to (E h_i^2)^2 = (E|h|^2 / n)^2
        else:
            rest = 1.0 - share
            entry = (3.0 * square + stack.kurtosis * fourth) * share**2 + 6.0 * share * rest
            entry += (3.0 + bias_kurtosis) * rest**2
            cross = 1.0 + (square - 1.0) * share**2
        h[:, layer] = log_h, (entry + (n - 1.0) * cross) / n, entry / n
        square, fourth = (ratio * entry + (n - 1.0) * cross) / n, ratio * entry / n
        log_x = math.log(m2) + log_h
        x[:, layer] = log_x, square, fourth
    return _Moments(*h), _Moments(*x)


def _log_fourth(stack: Stack, ratio: float) -> Array:
    """log E h^4 over networks and inputs; inputs that agree in what it depends on are followed once."""
    key = np.stack([stack.input_moment, stack.input_fourth * (stack.kurtosis != 0.0)], axis=1)
    _, first, count = np.unique(np.round(key, 12), axis=0, return_index=True, return_counts=True)
    logs = []
    for which, share in zip(first.tolist(), (count / len(key) * len(first)).tolist(), strict=True):
        h, _ = _forward(stack, ratio, which)
        logs.append(2.0 * h.log_mean + np.log(h.fourth * stack.width) + math.log(share))
    return log_mean(np.array(logs))


def _backward(stack: Stack, ratio: float) -> Array:
    """(layer,) E|d_l|^4 / (E|d_l|^2)^2 given that the network is alive below layer l."""
    out = np.empty(stack.depth)
    entry, cross = 3.0, 1.0  # of v ~ N(0, 1)
    square = fourth = 0.0
    for layer in range(stack.depth - 1, -1, -1):
        n = stack.width[layer]
        if layer < stack.depth - 1:
            if not stack.distribution.is_independent:
                big = max(n, stack.width[layer + 1])
                whole = square * n * (n + 2.0) / (big * (big + 2.0)) * (big / n) ** 2
                entry, cross = 3.0 * whole * n / (n + 2.0), whole * n / (n + 2.0)
            else:
                entry, cross = 3.0 * square + stack.kurtosis * fourth, square
        square, fourth = (ratio * entry + (n - 1.0) * cross) / n, ratio * entry / n
        out[layer] = square
    return out


def _gradients(
    stack: Stack,
    m2: float,
    ratio: float,
    x: _Moments | None,
    log_x: Array,
    law: dict[str, tuple[Array, Array]],
) -> dict[str, Estimate]:
    log_gain = np.cumsum((math.log(m2) + np.log(stack.backward))[::-1])[::-1]
    square, alive = _backward(stack, ratio), stack.alive
    previous = np.concatenate([[log_mean(np.log(stack.input_moment))], log_x[:-1]])
    out = {
        "gradient_second_moment": from_logs(
            "exact", log_gain + np.log(alive), square / alive - 1.0, law.get("gradient_second_moment")
        )
    }
    below = None if x is None else square * np.concatenate([[1.0], x.square[:-1]]) - 1.0
    # x_(l-1) = 0 kills the product whether or not d_l lives: no factor of survival
    out["weight_gradient_second_moment"] = from_logs(
        "exact", log_gain + previous, below, law.get("weight_gradient_second_moment")
    )
    if len(stack.input_moment) > 1:
        one = out["gradient_second_moment"]
        out["gradient_second_moment"] = Estimate("exact", one.mean, log10=one.log10)
    return out


def _fractions(stack: Stack, slope: float) -> dict[str, Estimate]:
    n, alive, single = stack.width, stack.alive, len(stack.input_moment) == 1
    if slope == 0.0:
        spread = np.sqrt(alive * (0.25 / n + 0.25) - 0.25 * alive**2) if single else None
        return {
            "active_fraction": Estimate("exact", 0.5 * alive, spread),
            "saturated_fraction": Estimate("exact", 1.0 - 0.5 * alive, spread),
        }
    flat = 0.5 if abs(slope) < SATURATION * stack.activation.dphi_max else 0.0
    spread = np.sqrt(flat * 0.5 / n) if single else None
    return {
        "active_fraction": Estimate("exact", np.ones(stack.depth), np.zeros(stack.depth) if single else None),
        "saturated_fraction": Estimate("exact", np.full(stack.depth, flat), spread),
    }
