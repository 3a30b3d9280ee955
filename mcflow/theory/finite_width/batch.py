"""Several inputs to first order in 1/width: what sharing their weights does to averages over a batch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mcflow.errors import InputError
from mcflow.mean_field import quadrature
from mcflow.mean_field.quadrature import Array
from mcflow.theory.estimate import Estimate
from mcflow.theory.finite_width import two_inputs
from mcflow.theory.finite_width.two_inputs import PairExpansion
from mcflow.theory.infinite_width.trajectory import Trajectory
from mcflow.theory.stack import Stack

ANGLES = 6  # pairs of the same two norms that are followed; between them everything is interpolated in the angle
GROUPS = 4  # pairs of different norms that are followed
LOST = 0.02  # by which one more pair may differ from the interpolation, relative to the largest value of its layer


@dataclass(frozen=True)
class Pairs:
    """Averages over the pairs of a batch, (layer,) each; NaN where the expansion is not to be trusted.

    ``cosine`` and ``cosine_std`` of the pairs that are measured (the spread for a single one); ``covariance`` by
    quantity, the mean over all pairs a < b of the covariance over networks of the two inputs' averages over units.
    ``doubt`` is about the share of the spread that comes from the fluctuation of cosines, which is left out.
    """

    cosine: Array
    cosine_std: Array | None
    doubt: Array
    covariance: dict[str, Array]


def pairs(stack: Stack, path: Trajectory, responses: Mapping[str, Array]) -> Pairs | None:
    """Every pair of a batch, followed or interpolated; None where theory has no first order for it.

    ``responses`` (row, layer), by quantity: K F'(K), what a relative change of K does to the average F.
    None for one input, orthogonal weights, uniform biases (h is not Gaussian then), inputs of many different norms,
    a user's function that the rules in the plane do not resolve.
    """
    if len(stack.pairs) == 0 or not stack.distribution.is_independent or (stack.uniform_bias and stack.has_bias):
        return None
    rows = np.sort(path.row[stack.pairs.index], axis=1)
    norms, group = np.unique(rows, axis=0, return_inverse=True)
    if len(norms) > GROUPS:
        return None
    cosine, variance, square, wander = np.zeros((4, stack.depth))
    total = {name: np.zeros(stack.depth) for name in COVARIANCES}
    for i, (a, b) in enumerate(norms.tolist()):
        members = np.flatnonzero(group.ravel() == i)
        try:
            found = _follow(stack, path, a, b, stack.pairs.cosine[members])
        except InputError:  # a user's function that is too fine for the rules of the plane
            return None
        times = stack.pairs.count[members]
        measured = times * stack.pairs.followed[members]
        cosine += _total(measured, found.cosine + found.shift)
        variance += _total(measured, found.variance)
        square += _total(times, found.cosine**2)
        wander += _total(times, found.variance)
        k = np.exp(path.preactivation[[a, b]])
        for name, own in COVARIANCES.items():
            response = responses[name][a] * responses[name][b] if name in responses else 0.0
            total[name] += times @ (response * found.covariance + own(found, k[0], k[1]) / stack.width)
    measured_pairs, all_pairs = (float((stack.pairs.count * of).sum()) for of in (stack.pairs.followed, 1.0))
    others = len(stack.input_moment) - 1
    doubt = others * wander / (all_pairs + others * square)
    return Pairs(
        cosine / measured_pairs,
        np.sqrt(variance) if measured_pairs == 1 else None,
        doubt,
        {name: value / all_pairs for name, value in total.items()} if stack.pairs.complete else {},
    )


def _total(times: Array, values: Array) -> Array:
    """(layer,) sum over pairs of (pair, layer) values, each as often as it stands for a pair; but those of none."""
    there = times > 0
    return np.asarray(times[there] @ values[there])


# Cov(f(h_a), f(h_b)) of one unit, given the layers below: (pair, layer)
COVARIANCES = {
    "preactivation_mean": lambda e, k_a, k_b: e.product * np.sqrt(k_a * k_b),
    "preactivation_second_moment": lambda e, k_a, k_b: 2.0 * e.cosine**2 * k_a * k_b,
    "activation_mean": lambda e, k_a, k_b: e.cross_mean,
    "activation_second_moment": lambda e, k_a, k_b: e.cross_second,
}


def _follow(stack: Stack, path: Trajectory, a: int, b: int, cosine: Array) -> PairExpansion:
    """(pair, layer) expansions of pairs whose inputs have the norms of rows ``a`` and ``b``."""
    log_k, log_input = path.preactivation[[a, b]], path.input[[a, b]]

    def follow(cosines: Array) -> Array:
        runs = [two_inputs.follow(stack, log_k, log_input, c) for c in cosines.tolist()]
        return np.array([[getattr(run, name) for name in PairExpansion.__dataclass_fields__] for run in runs])

    distinct, back = np.unique(np.round(cosine, 13), return_inverse=True)
    apart = 1.0 - np.abs(distinct) > 4.0 * two_inputs.COLLINEAR  # the others are not interpolated
    if np.count_nonzero(apart) <= ANGLES + 1:
        return PairExpansion(*np.moveaxis(follow(distinct)[back.ravel()], 1, 0))
    angles = np.arccos(distinct[apart])
    nodes = quadrature.chebyshev(ANGLES, float(angles.min()), float(angles.max()))
    at_nodes = follow(np.cos(nodes)).reshape(ANGLES, -1)
    among = len(angles) // 2
    table = np.empty((len(distinct), 7, stack.depth))
    table[apart] = (quadrature.interpolation(nodes, angles) @ at_nodes).reshape(-1, 7, stack.depth)
    if not apart.all():
        table[~apart] = follow(distinct[~apart])
    one = follow(distinct[apart][among : among + 1])[0]
    size = np.abs(at_nodes.reshape(ANGLES, 7, -1)).max(axis=0)
    wrong = (np.abs(table[apart][among] - one) > LOST * size + math.ulp(1.0)).any(axis=0)
    table[:, :, wrong] = np.nan
    return PairExpansion(*np.moveaxis(table[back.ravel()], 1, 0))


def estimates(stack: Stack, found: Pairs, own: Mapping[str, Array]) -> tuple[dict[str, Array], Estimate | None]:
    """Standard deviations by quantity of averages over the batch, and the mean cosine.

    ``own`` (layer,) is, by quantity, the mean over inputs of the variance of an input's average over units.
    """
    batch = len(stack.input_moment)
    std = {}
    for name, covariance in found.covariance.items():
        variance = own[name] / batch + (1.0 - 1.0 / batch) * covariance
        std[name] = np.sqrt(np.maximum(variance, 0.0))
    mean = found.cosine if stack.distribution.is_gaussian else np.full(stack.depth, np.nan)
    return std, Estimate("first-order", mean, found.cosine_std)
