"""How likely a second moment is exactly 0: every unit of a layer off at once, or nothing that could ever be off."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mcflow.activations.registry import Activation
from mcflow.errors import InputError
from mcflow.mean_field import fractions
from mcflow.mean_field.evaluation import evaluate
from mcflow.mean_field.quadrature import Array
from mcflow.theory.infinite_width.trajectory import Trajectory
from mcflow.theory.stack import Stack

TINY = 1e-36  # what is smaller may be 0 in float32
FLATTEST = 0.25  # share of units without slope, on both sides of 0, up to which a layer's P is bounded


@dataclass(frozen=True)
class Zero:
    """(layer,) bounds of the probability that a quantity is exactly 0; equal where it is known."""

    low: Array
    high: Array


@dataclass(frozen=True)
class Off:
    """Where a function of h is 0: nowhere (``none``), for h < 0 (``half``), in part of it, or elsewhere too."""

    none: bool
    half: bool
    one_sided: bool


def zero_probabilities(stack: Stack, path: Trajectory) -> dict[str, Zero]:
    """Bounds by quantity, for the mean over a batch; empty where h itself may be 0 by chance.

    Given the layer below, the preactivations of symmetric rows without atoms are below 0 with probability 1/2 each,
    independently, with biases or without: a layer that is off where h < 0 is dead with probability 2^-n. Of several
    inputs all must be dead, which is bounded by the first one's probability.
    """
    if not _continuous(stack) or not (stack.input_moment > 0).all():
        return {}
    on, steep = where_zero(stack.activation, stack.activation.scalar)
    single = len(stack.input_moment) == 1
    half = np.exp2(-stack.width)
    fixed = float(stack.activation.phi(np.zeros(1))[0]) == 0.0, float(stack.activation.dphi(np.zeros(1))[0]) == 0.0
    off = _layers(on, half, None)
    out: dict[str, Zero] = {}
    if off is not None:
        h, x = _forward(stack, off, fixed[0])
        known = single and (on.half or on.none)
        out["preactivation_second_moment"] = _bounds(h, known)
        out["activation_second_moment"] = _bounds(x, known)
    flat = _layers(
        steep,
        half,
        fractions.saturated(stack.activation, np.exp(np.clip(path.preactivation, -700.0, 700.0))).max(axis=0),
    )
    if off is None or flat is None:
        return out
    below = np.concatenate([[0.0], x[:-1]])
    if on.half and steep.half:  # then d_l = 0 where any layer from l on is dead
        later = np.append(np.cumsum(np.log1p(-off)[::-1])[::-1][1:], 0.0)
        gradient = -np.expm1(np.log1p(-x) + later)
        product = -np.expm1(np.log1p(-below) + np.log1p(-off) + later)
        if not stack.bias_variance.any():
            gradient = product = np.full(stack.depth, x[-1])
        known = single
    else:
        gradient = np.cumsum((flat + (h if fixed[1] else 0.0))[::-1])[::-1]
        product, known = gradient + below, single and on.none and steep.none
    out["gradient_second_moment"] = _bounds(np.minimum(gradient, 1.0), known)
    out["weight_gradient_second_moment"] = _bounds(np.minimum(product, 1.0), known)
    return out


def _bounds(probability: Array, known: bool) -> Zero:
    return Zero(probability if known else np.zeros_like(probability), probability)


def _continuous(stack: Stack) -> bool:
    """Whether h has no atom at 0 unless the layer below is dead."""
    if not (stack.forward > 0).all():
        return False
    return stack.distribution.is_continuous or bool((stack.bias_variance > 0).all())


def _layers(off: Off, half: Array, share: Array | None) -> Array | None:
    """(layer,) P (or a bound) that all units of a live layer are off."""
    if off.none:
        return np.zeros_like(half)
    if off.one_sided:
        return half
    if share is None or not (share < FLATTEST).all():
        return None
    # the share moves with the variance of h over networks: twice it covers that where layers are wide
    return np.exp(np.log(np.maximum(2.0 * share, 1e-300)) * -np.log2(half))


def _forward(stack: Stack, off: Array, stays: bool) -> tuple[Array, Array]:
    """(layer,) P(h = 0) and P(x = 0): a dead layer's successor has h = 0, unless it has biases."""
    h, x = np.zeros((2, stack.depth))
    dead = 0.0
    for layer in range(stack.depth):
        h[layer] = 0.0 if stack.bias_variance[layer] > 0 else dead
        # 1 - (1 - h)(1 - off), to its own digits
        x[layer] = dead = off[layer] * (1.0 - h[layer]) + (h[layer] if stays else 0.0)
    return h, x


@lru_cache(maxsize=64)
def where_zero(activation: Activation, scalar: object) -> tuple[Off, Off]:
    """Where phi and phi' are 0, or so small that float32 makes 0 of them, on a grid that meets no round number."""
    edge = 1e4 if activation.is_builtin else 100.0
    grid = np.geomspace(1e-3, edge, 400) * 1.000371
    sides = []
    for sign in (-1.0, 1.0):
        try:
            sides.append(evaluate(activation, sign * grid))
        except InputError:
            sides.append((np.zeros_like(grid), np.zeros_like(grid)))  # nothing is known: as if it were off
    out = []
    for which in (0, 1):
        left, right = (np.abs(side[which]) < TINY for side in sides)
        out.append(Off(not (left.any() or right.any()), bool(left.all() and not right.any()), not right.any()))
    return out[0], out[1]
