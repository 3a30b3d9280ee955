"""Probabilities that a unit is active or saturated: where |phi'| is zero or small, as intervals of h."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from mcflow.activations.formulas import Repeated
from mcflow.activations.registry import Activation
from mcflow.activations.slope_levels import Intervals, intervals_where, reach_of
from mcflow.mean_field.evaluation import evaluate, slopes
from mcflow.mean_field.quadrature import Array
from mcflow.mean_field.refinement import resolve
from mcflow.quantities import SATURATION

EDGE = 1e4  # beyond this |h| a unit is what it is at this |h|
SEEN = 10.0  # standard deviations: as far as a user's function is searched


def active(activation: Activation, q: Array) -> Array:
    """P(phi'(h) != 0) for h ~ N(0, q), elementwise; NaN where a difference quotient is no phi'."""
    if not activation.has_slope:
        return np.full_like(np.asarray(q, dtype=np.float64), np.nan)
    return 1.0 - _inside(activation.flat, q)


def saturated(activation: Activation, q: Array) -> Array:
    """P(|phi'(h)| < 0.01 max |phi'|) for h ~ N(0, q), elementwise; where phi' is unbounded, P(phi'(h) = 0)."""
    if activation.saturated is not None:
        return _repeated(activation, activation.saturated, q)
    if math.isinf(activation.dphi_max):
        return _inside(activation.flat, q)
    if activation.dphi_max == 0.0:  # nothing is under 0
        return np.zeros_like(np.asarray(q, dtype=np.float64))
    if activation.is_builtin:
        return _inside(_intervals(activation, activation.scalar, EDGE), q)
    q = np.asarray(q, dtype=np.float64)
    if not activation.has_slope:
        return np.full_like(q, np.nan)
    # a user's function may have structure everywhere: it is searched as far as this q sees it, in powers of two
    reach = np.exp2(np.ceil(np.log2(SEEN * np.sqrt(np.clip(q, 1.0, 1e12)))))
    out = np.empty_like(q)
    for each in np.unique(reach).tolist():
        out[reach == each] = _inside(_intervals(activation, activation.scalar, each), q[reach == each])
    return out


@lru_cache(maxsize=256)
def _intervals(activation: Activation, scalar: object, reach: float) -> Intervals:
    """Where |phi'| < 0.01 max |phi'|, for |h| < reach."""
    level = SATURATION * activation.dphi_max
    fine = None
    if not activation.is_builtin:
        fine = _turns(activation, reach)
        reach = min(reach, reach_of(lambda h: evaluate(activation, h)))
    return intervals_where(lambda h: np.abs(slopes(activation, h)) < level, reach, activation.kinks, fine)


def _turns(activation: Activation, reach: float) -> Array:
    """Where quadrature takes a user's phi for |h| < reach, and the zeros of phi' that lie between."""
    scale = reach / SEEN
    found = resolve(activation, activation.scalar, scale * scale)
    h = scale * found.z
    change = np.flatnonzero(found.dphi[1:] * found.dphi[:-1] < 0.0)
    left, right = h[change], h[change + 1]
    positive = found.dphi[change] > 0.0
    for _ in range(50):
        middle = 0.5 * (left + right)
        same = (slopes(activation, middle) > 0.0) == positive if len(middle) else positive
        left, right = np.where(same, middle, left), np.where(same, right, middle)
    return np.concatenate([h, left, right])


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


def _repeated(activation: Activation, where: Repeated, q: Array) -> Array:
    """P(h in one of equal intervals); where the phase is uniform, their share of all h."""
    centres = (np.arange(-60, 60) + where.phase) * where.every
    intervals = tuple((float(c - where.half), float(c + where.half)) for c in centres)
    q, far = np.asarray(q, dtype=np.float64), activation.far_variance
    return np.where(q > far, 2.0 * where.half / where.every, _inside(intervals, np.minimum(q, far)))
