"""Infinite width, many inputs: the cosines of all followed pairs, layer by layer."""

from __future__ import annotations

import math

import numpy as np

from mcflow.mean_field import moments, pairs, quadrature
from mcflow.mean_field.quadrature import Array
from mcflow.theory.infinite_width import first_pair
from mcflow.theory.infinite_width.trajectory import Trajectory
from mcflow.theory.stack import Stack

SEPARATE = 8  # more pairs of the same two norms than this: their map is interpolated in the angle
ANGLES = 40  # points of that interpolation over 0 .. pi: the map is analytic in the angle, 1e-9 for every activation
LEAST_ANGLES = 8
PAIRS = 40  # that are followed one by one where h_1 is not Gaussian
LARGEST = 60.0  # |log q| up to which the map is evaluated at q itself; by there it has come to its end, to 1e-13
GROUPS = 12  # pairs of different norms that are followed; each costs a map a layer


def mean_cosine(stack: Stack, path: Trajectory) -> Array | None:
    """(layer,) mean cosine of the preactivations over the followed pairs; None without pairs, or with too many norms.

    c' = (sigma_w^2 E[phi(h_a) phi(h_b)] + sigma_b^2) / sqrt(V(q_a) V(q_b)) (the correlation map of Poole et al. 2016).
    """
    followed = stack.pairs.cosine[stack.pairs.followed]
    if len(followed) == 0:
        return None
    if path.first is not None:
        return _from_first_layer(stack, path)
    count = stack.pairs.count[stack.pairs.followed]
    rows = np.sort(path.row[stack.pairs.index[stack.pairs.followed]], axis=1)
    norms, group = np.unique(rows, axis=0, return_inverse=True)
    if len(norms) > GROUPS:
        return None
    total = np.zeros(stack.depth)
    for i, (a, b) in enumerate(norms.tolist()):
        mine = group.ravel() == i
        total += _follow(stack, path, a, b, followed[mine]) @ count[mine]
    return total / count.sum()


def _from_first_layer(stack: Stack, path: Trajectory) -> Array | None:
    """The same where each pair has a joint law of its own in layer 1."""
    followed = stack.pairs.followed
    index, count = stack.pairs.index[followed], stack.pairs.count[followed]
    if len(index) > PAIRS or not (stack.input_moment > 0).all():
        return None
    first, cosine = first_pair.products(stack), stack.pairs.cosine[followed]
    total = np.zeros(stack.depth)
    for i, (a, b) in enumerate(path.row[index].tolist()):
        total += _follow(stack, path, a, b, cosine[i : i + 1], first[i : i + 1])[:, 0] * count[i]
    return total / count.sum()


def _follow(stack: Stack, path: Trajectory, a: int, b: int, cosine: Array, first: Array | None = None) -> Array:
    """(layer, pair) cosines of pairs whose inputs have the norms of rows ``a`` and ``b``.

    ``first`` (pair,) is E[phi(h_a) phi(h_b)] of layer 1 where h_1 is not Gaussian.
    """
    log_q = 0.5 * (path.preactivation[a] + path.preactivation[b])
    log_size = 0.5 * np.append(path.input[a] + path.input[b], path.activation[a] + path.activation[b])
    out = np.empty((stack.depth, len(cosine)))
    ratio = cosine  # E x_a x_b / sqrt(E x_a^2 E x_b^2)
    for layer in range(stack.depth):
        if log_q[layer] == -math.inf:
            c = np.ones_like(cosine)
        else:
            weights = math.log(stack.forward[layer]) + log_size[layer] - log_q[layer]
            c = math.exp(weights) * ratio + stack.bias_variance[layer] * math.exp(min(700.0, -log_q[layer]))
        out[layer] = c = np.clip(c, -1.0, 1.0)
        if first is not None and layer == 0:
            ratio = first * math.exp(-log_size[1])
            continue
        ratio = _ratios(stack, float(path.preactivation[a, layer]), float(path.preactivation[b, layer]), c)
    return out


def _ratios(stack: Stack, log_q_a: float, log_q_b: float, c: Array) -> Array:
    """(pair,) E[phi(h_a) phi(h_b)] over the root of both second moments.

    Beyond e^+-LARGEST the ratio of what is homogeneous there is that at the end: for q itself, float64 is too small.
    """
    logs = [min(LARGEST, max(-LARGEST, x)) for x in (log_q_a, log_q_b)]
    sizes = [moments.log_moments(stack.activation, x)[0] for x in logs]
    if not np.isfinite(sizes).all():
        return np.zeros_like(c)
    return _products(stack, math.exp(logs[0]), math.exp(logs[1]), c) * math.exp(-0.5 * sum(sizes))


def _products(stack: Stack, q_a: float, q_b: float, c: Array) -> Array:
    distinct, back = np.unique(np.round(c, 13), return_inverse=True)
    if len(distinct) <= SEPARATE:
        values = np.array([pairs.product(stack.activation, q_a, q_b, x, rule=pairs.FAST) for x in distinct.tolist()])
        return values[back.ravel()]
    low, high = math.acos(float(distinct.max())), math.acos(float(distinct.min()))
    nodes = quadrature.chebyshev(max(LEAST_ANGLES, math.ceil(ANGLES * (high - low) / math.pi)), low, high)
    values = np.array([pairs.product(stack.activation, q_a, q_b, math.cos(x), rule=pairs.FAST) for x in nodes.tolist()])
    return quadrature.interpolation(nodes, np.arccos(c)) @ values
