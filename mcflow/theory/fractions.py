"""Probabilities that a unit is active or saturated: where |phi'| is zero or small, as intervals of h."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from mcflow.activations import Activation
from mcflow.slope_levels import Intervals, intervals_where, reach_of
from mcflow.theory.expectations import evaluate
from mcflow.theory.quadrature import Array

SATURATED = 0.01  # of the largest slope: the definition in the file
EDGE = 1e4  # beyond this |h| a unit is what it is at this |h|


def active(activation: Activation, q: Array) -> Array:
    """P(phi'(h) != 0) for h ~ N(0, q), elementwise; relative error about 1e-12."""
    return 1.0 - _inside(activation.flat, q)


def saturated(activation: Activation, q: Array) -> Array:
    """P(|phi'(h)| < 0.01 max |phi'|) for h ~ N(0, q), elementwise; where phi' is unbounded, P(phi'(h) = 0)."""
    if activation.kind == "sin":
        return _saturated_sin(q)
    if math.isinf(activation.dphi_max):
        return _inside(activation.flat, q)
    return _inside(_intervals(activation, activation.scalar, SATURATED * activation.dphi_max), q)


@lru_cache(maxsize=256)
def _intervals(activation: Activation, scalar: object, level: float) -> Intervals:
    """Where |phi'| < level."""
    edge = EDGE if activation.is_builtin else reach_of(lambda h: evaluate(activation, h))
    return intervals_where(lambda h: np.abs(evaluate(activation, h)[1]) < level, edge, activation.kinks)


def _inside(intervals: Intervals, q: Array) -> Array:
    from scipy.special import ndtr

    q = np.asarray(q, dtype=np.float64)
    root = np.sqrt(np.clip(q, 1e-300, 1e300))
    total = np.zeros_like(q)
    for low, high in intervals:
        a, b = low / root, high / root
        # the difference of the tails on the side where both are small
        right = a > 0
        total += np.where(right, ndtr(-a) - ndtr(-b), ndtr(b) - ndtr(a))
    return total


def _saturated_sin(q: Array) -> Array:
    """|cos h| < 0.01: an interval about every odd multiple of pi / 2; for large q the phase is uniform."""
    half = math.asin(SATURATED)
    centres = (np.arange(-60, 60) + 0.5) * math.pi
    intervals = tuple((float(c - half), float(c + half)) for c in centres)
    q = np.asarray(q, dtype=np.float64)
    return np.where(q > 400.0, 2.0 * half / math.pi, _inside(intervals, np.minimum(q, 400.0)))
