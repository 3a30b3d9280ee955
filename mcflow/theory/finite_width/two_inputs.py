"""Two inputs to first order in 1/width: means and covariances of their Gram matrix, and what follows for the cosine.

Symbols as in ``pair_moments``: Y is the relative deviation of the Gram matrix of (h_a, h_b) given the layers below, in
coordinates along h_a / s_a +- h_b / s_b.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mcflow.mean_field.pair_moments import NARROWEST, Step, pair_moments
from mcflow.mean_field.quadrature import Array
from mcflow.theory.stack import Stack

LARGEST = 0.3  # of Var Y and |E Y|, for a layer to be used
LARGEST_ANGLE = 0.03  # of the variance of atanh(cosine) given the layers below, for the cosine's spread to be used
COLLINEAR = 1e-12  # of (1 - |c|) / 2: below it h_a = +-h_b for good
NARROWEST_LAYER = 4  # units: atanh(cosine) has no variance under 3
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(16)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


@dataclass(frozen=True)
class PairExpansion:
    """One pair of inputs, (layer,) each; NaN where the expansion is not to be trusted.

    ``cosine`` at infinite width, ``shift`` = E cosine - that, ``variance`` of the cosine over networks; ``product`` =
    E G_ab / sqrt(K_a K_b); ``covariance`` of G_aa / K_a and G_bb / K_b; ``cross_mean`` and ``cross_second``:
    Cov(phi_a, phi_b) and Cov(phi_a^2, phi_b^2) at infinite width.
    """

    cosine: Array
    shift: Array
    variance: Array
    product: Array
    covariance: Array
    cross_mean: Array
    cross_second: Array


def follow(stack: Stack, log_k: Array, log_input: Array, cosine: float) -> PairExpansion:
    """Follow a pair of that input cosine through the layers; ``log_k`` (2, layer), ``log_input`` (2,) of its inputs.

    The mean of a layer obeys mu' = J mu + (1/2) Hess : C, its covariance C' = J C J^T + S / n (the four-point vertex of
    Roberts, Yaida & Hanin 2022, chapter 4, for two inputs).
    """
    k = np.exp(log_k)
    out = np.full((7, stack.depth), np.nan)
    mean, covariance = np.zeros(3), np.zeros((3, 3))
    same = bool(log_k[0, 0] == log_k[1, 0])
    plus, minus = _first(stack, log_k[:, 0], log_input, cosine)
    collinear = same and minus < COLLINEAR  # then they stay so: a network is a function
    wide = False
    for layer in range(stack.depth):
        n = stack.width[layer]
        total = plus + minus
        plus, minus = plus / total, minus / total
        if n < NARROWEST_LAYER or max(np.abs(mean).max(), covariance.diagonal().max()) > LARGEST:
            break
        values = _layer(plus, minus, mean, covariance, n)
        wide = wide or _angle_variance(covariance) > LARGEST_ANGLE
        after = min(layer + 1, stack.depth - 1)
        gain, bias = math.sqrt(stack.forward[after]), math.sqrt(stack.bias_variance[after])
        roots = np.sqrt(k[:, after]).tolist()
        step = Step(
            (math.sqrt(k[0, layer]), math.sqrt(k[1, layer])),
            float(plus),
            float(minus),
            (gain / roots[0], gain / roots[1]),
            (bias / roots[0], bias / roots[1]),
        )
        m = pair_moments(stack.activation, step)
        out[:, layer] = *values, m.cross_mean, m.cross_second
        if wide:
            out[2, layer] = np.nan
        mean = m.jacobian @ mean + m.bend(covariance)
        covariance = m.jacobian @ covariance @ m.jacobian.T + m.noise / n
        plus, minus = m.plus, m.minus
        collinear = collinear or (same and min(plus, minus) < COLLINEAR)
        if collinear:  # one input in all but sign: how the other direction would fluctuate is nobody's concern
            plus, minus = (1.0, NARROWEST) if plus > minus else (NARROWEST, 1.0)
            kept = np.array([plus > minus, minus > plus, False])
            mean, covariance = mean * kept, covariance * np.outer(kept, kept)
    return PairExpansion(*out)


def _first(stack: Stack, log_k: Array, log_input: Array, cosine: float) -> tuple[float, float]:
    """(1 + c) / 2 and (1 - c) / 2 of the first layer, each to its own digits."""
    weights = np.exp(0.5 * (math.log(stack.forward[0]) + log_input - log_k))
    bias = np.sqrt(stack.bias_variance[0] * np.exp(-log_k))
    part = [
        0.25 * ((weights[0] + sign * weights[1]) ** 2 + (bias[0] + sign * bias[1]) ** 2)
        - sign * 0.5 * weights[0] * weights[1] * (1.0 - cosine)
        for sign in (1.0, -1.0)
    ]
    return max(float(part[0]), 0.0), max(float(part[1]), 0.0)


def _angle_variance(covariance: Array) -> float:
    """Variance of atanh(cosine), which moves by (Y_zz - Y_ww) / 2."""
    return 0.25 * float(covariance[0, 0] + covariance[1, 1] - 2.0 * covariance[0, 1])


def _layer(plus: float, minus: float, mean: Array, covariance: Array, n: float) -> tuple[float, ...]:
    """Cosine, its shift and variance, E G_ab and Cov(G_aa, G_bb) relative to sqrt(K_a K_b), K_a K_b.

    Observed is h_a . h_b / n, whose deviation has the covariance C + (d_ik d_jl + d_il d_jk) / n. With Y_zz = a,
    Y_ww = b, Y_zw = t: c = c0 + 2 C^2 S^2 ((a - b)(1 - C^2 a - S^2 b) + c0 t^2) to second order. It is taken over to
    atanh(c), which is nearly normal, of variance 1 / (n - 2) given G (Fisher 1921), and back by quadrature.
    """
    cosine = plus - minus
    seen = covariance + np.diag([2.0, 2.0, 1.0]) / n
    (aa, ab, _), (_, bb, _), (_, _, tt) = seen.tolist()
    along = np.array([plus, minus])
    shift = 0.5 * float(mean[0] - mean[1] - plus * (aa - ab) - minus * (ab - bb) + cosine * tt)
    shift += cosine * _angle_variance(seen)
    moved = np.tanh(shift + math.sqrt(_angle_variance(covariance) + 1.0 / (n - 2.0)) * NODES)
    difference = 4.0 * plus * minus * moved / (1.0 + cosine * moved)  # tanh(atanh(c0) + x) - c0
    first = float(WEIGHTS @ difference)
    variance = float(WEIGHTS @ (difference - first) ** 2)
    product = cosine + plus * mean[0] - minus * mean[1]
    joint = along @ covariance[:2, :2] @ along - 4.0 * plus * minus * covariance[2, 2]
    return cosine, first, variance, float(product), float(joint)
