"""Exact means of gradients at finite width, any activation: Gaussian weights, one input, along the exact law of G.

Given the forward pass the weights that carry a gradient back are known along x_l and fresh across it, so that
D_l = E |d_l|^2 and A_l = E (h_l . d_l)^2 obey a linear recursion whose coefficients are sums over the units of layer l.
Averaged over the law of the chain, D and A become functions of G_l.
"""

from __future__ import annotations

import math

import numpy as np

from mcflow.mean_field.quadrature import Array
from mcflow.theory.finite_width.exact_law import Chain

Values = dict[int, Array]  # panel -> (point,) values of a function of log G


def log_means(chain: Chain, previous: Array) -> tuple[Array, Array]:
    """log E mean d_l^2 and log E mean (d_l x_(l-1))^2, (layer,) each.

    ``previous`` (layer, 3) holds sigma_w^2, sigma_b^2 of each layer and the input's second moment in row 0, column 2.
    Raises Unresolved where the law of a tilted layer cannot be had.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"):
        return _log_means(chain, previous)


def _log_means(chain: Chain, previous: Array) -> tuple[Array, Array]:
    depth = len(chain.laws)
    gradient, product = np.empty((2, depth))
    scale = 0.0  # natural logarithm of what D and A have been divided by
    size, along = _top(chain)
    for layer in range(depth - 1, -1, -1):
        if layer < depth - 1:
            size, along = _step(chain, layer, size, along)
            largest = max(float(np.abs(values).max()) for values in size.values())
            scale += math.log(largest)
            size = {j: values / largest for j, values in size.items()}
            along = {j: values / largest for j, values in along.items()}
        mean, joint = 0.0, 0.0
        forward, bias, moment = previous[layer].tolist()
        for panel, weights in chain.laws[layer].items():
            mean += float(weights @ size[panel])
            joint += float(weights @ (size[panel] * (chain.variance(panel) - bias) / forward))
        if layer == 0:  # the input is what it is
            joint = mean * moment
        gradient[layer] = math.log(mean / chain.width[layer]) + scale
        product[layer] = math.log(joint / chain.width[layer]) + scale
    return gradient, product


def _top(chain: Chain) -> tuple[Values, Values]:
    """D and A of the last layer, d = phi'(h) v with v ~ N(0, 1)."""
    size, along = {}, {}
    n = float(chain.width[-1])
    for panel in chain.laws[-1]:
        moments = chain.moments_of(panel)
        size[panel] = n * np.array([m.slope[0] for m in moments])
        along[panel] = n * np.array([m.q * m.slope_z2 for m in moments])
    return size, along


def _step(chain: Chain, layer: int, size: Values, along: Values) -> tuple[Values, Values]:
    """D and A of a layer from those of the next.

    With X = n G' / s, s = sigma_w^2, c = s / n the weights' variance:
    D = sum d^2 p^2 (A' / X^2 - c D' / X) + c D' sum d^2, and A alike with (sum h d p)^2 and sum h^2 d^2.
    """
    transition = chain.transitions[layer]
    n, s = transition.width, transition.weight_variance
    c = s / n
    known = {j: (c * c * (along[j] / chain.variance(j) - size[j]) / chain.variance(j), c * size[j]) for j in size}
    out_size, out_along = {}, {}
    for panel in chain.laws[layer]:
        total = np.zeros((2, len(chain.variance(panel))))
        for target, block in transition.tilted(panel).items():
            if target in known:  # else so rare that the law has dropped it
                seen, fresh = known[target]
                total[0] += block[0] @ seen + block[1] @ fresh
                total[1] += block[2] @ seen + block[3] @ fresh
        out_size[panel], out_along[panel] = total
    return out_size, out_along
