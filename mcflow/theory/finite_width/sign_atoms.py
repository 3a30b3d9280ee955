"""Sums of signs that are exactly equal, or exactly 0: how much of a layer they may hold, which averages do not see.

phi' at such an h is one of its two values, and round-off, not probability, says which: it is bounded, not predicted.
"""

from __future__ import annotations

import math

import numpy as np

from mcflow.mean_field.quadrature import Array
from mcflow.theory.infinite_width import first_layer
from mcflow.theory.stack import Stack


def shares(stack: Stack) -> Array:
    """(layer,) about the largest P that h_l is exactly 0 (or at another kink, in layer 1) in a live network.

    Of K equal entries at most C(K, K/2) / 2^K of all signs cancel (Erdos 1945); entries are equal where two units of
    the layer below saw the same signs, or sums of few values. 0 where h has a density.
    """
    out = np.zeros(stack.depth)
    if stack.distribution.is_continuous or stack.has_bias:
        return out
    half = stack.is_off_below_zero
    found = first_layer.laws(stack)
    atoms = [] if found is None else [law for law in found[1] if law.spacing == 0.0]
    if stack.fan_in[0] > first_layer.EXACT:
        out[0] = max((law.at(stack.activation.kinks) for law in atoms), default=0.0)
    agree = max((law.agreement() for law in atoms), default=0.0)
    if found is None:
        agree = 2.0 ** (1.0 - min(stack.fan_in[0], 1000.0))
    for layer in range(1, stack.depth):
        below = int(stack.width[layer - 1])
        out[layer] = agree * _cancelling(below, half)
        agree = min(1.0, _same_signs(below, half) + 2.0 * out[layer])
    return out


def _live(width: int, half: bool) -> tuple[Array, Array]:
    """Numbers of entries that are not 0 among ``width``, and their probabilities in a live layer."""
    if not half:
        return np.full(1, float(width)), np.ones(1)
    from mcflow.theory.finite_width.factors import live_units

    return live_units(width)


def _cancelling(width: int, half: bool) -> float:
    """E C(K, K/2) / 2^K over even numbers K of live entries."""
    from scipy.special import gammaln

    k, weight = _live(width, half)
    log_share = gammaln(k + 1) - 2.0 * gammaln(0.5 * k + 1) - k * math.log(2.0)
    return float(weight @ np.where(k % 2 == 0, np.exp(log_share), 0.0))


def _same_signs(width: int, half: bool) -> float:
    """E 2^(1 - K): that two units have the same signs, or all the opposite, before the live entries."""
    k, weight = _live(width, half)
    return float(weight @ np.exp2(1.0 - k))
