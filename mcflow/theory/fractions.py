"""Probabilities that a unit is active or saturated: where |phi'| is zero or small, as intervals of h."""

from __future__ import annotations

import bisect
import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mcflow.activations import Activation
from mcflow.errors import InputError
from mcflow.theory.evaluation import evaluate, slopes
from mcflow.theory.quadrature import Array
from mcflow.theory.refinement import resolve

SATURATED = 0.01  # of the largest slope: the definition in the file
EDGE = 1e4  # beyond this |h| a unit is what it is at this |h|
SEEN = 10.0  # standard deviations: as far as a user's function is searched
USER_EDGE = 700.0  # exp in a user's function overflows at 709
Intervals = tuple[tuple[float, float], ...]


def active(activation: Activation, q: Array) -> Array:
    """P(phi'(h) != 0) for h ~ N(0, q), elementwise; relative error about 1e-12."""
    return 1.0 - _below(activation, 0.0, q)


def saturated(activation: Activation, q: Array) -> Array:
    """P(|phi'(h)| < 0.01 max |phi'|) for h ~ N(0, q), elementwise; where phi' is unbounded, P(phi'(h) = 0)."""
    if activation.kind == "sin":
        return _saturated_sin(q)
    if activation.dphi_max == 0.0:  # nothing is under 0
        return np.zeros_like(np.asarray(q, dtype=np.float64))
    level = SATURATED * activation.dphi_max if math.isfinite(activation.dphi_max) else 0.0
    return _below(activation, level, q)


def _below(activation: Activation, level: float, q: Array) -> Array:
    """P(|phi'(h)| < level), or = 0 for level 0; NaN where a difference quotient is no phi'."""
    if activation.is_builtin:
        return _inside(_intervals(activation, activation.scalar, level, EDGE), q)
    q = np.asarray(q, dtype=np.float64)
    if not activation.has_slope:
        return np.full_like(q, np.nan)
    # a user's function may have structure everywhere: it is searched as far as this q sees it, in powers of two
    reach = np.exp2(np.ceil(np.log2(SEEN * np.sqrt(np.clip(q, 1.0, 1e12)))))
    out = np.empty_like(q)
    for each in np.unique(reach).tolist():
        intervals = _intervals(activation, activation.scalar, level, each)
        out[reach == each] = _inside(intervals, q[reach == each])
    return out


@lru_cache(maxsize=256)
def _intervals(activation: Activation, scalar: object, level: float, reach: float) -> Intervals:
    """Where |phi'| < level, or = 0 for level 0, for |h| < reach; ends found by bisection, kinks taken as they are."""
    edge = reach if activation.is_builtin else min(reach, _reach(activation))
    near = np.arange(-40.0, 40.0, 0.02 if activation.is_builtin else 0.05) + 0.00371  # off every round number
    far = np.geomspace(min(40.0, edge), edge, 200)
    near = near[np.abs(near) < edge]
    grid = np.concatenate([-far[::-1], near, far])
    if not activation.is_builtin:
        grid = np.sort(np.concatenate([grid, _turns(activation, reach)]))
        grid = grid[np.abs(grid) <= edge]
    if activation.kinks:
        kinks = np.asarray(activation.kinks)
        kinks = kinks[np.abs(kinks) < edge]
        beside = 1e-9 * (1.0 + np.abs(kinks))
        grid = np.sort(np.concatenate([grid, kinks - beside, kinks + beside]))

    def low(h: Array) -> NDArray[np.bool_]:
        slope = np.abs(slopes(activation, h))
        # a smooth slope that merely underflows in its tail is not zero: level 0 asks for kinked functions
        return slope < level if level > 0 else slope == 0

    inside = low(grid)
    change = np.flatnonzero(inside[1:] != inside[:-1])
    left, right, first = grid[change], grid[change + 1], inside[change]
    for _ in range(60):
        middle = 0.5 * (left + right)
        same = low(middle) == first if len(middle) else first
        left, right = np.where(same, middle, left), np.where(same, right, middle)
    ends = [_at_kink(activation, 0.5 * (a + b)) for a, b in zip(left.tolist(), right.tolist(), strict=True)]
    borders = ([-math.inf] if inside[0] else []) + ends + ([math.inf] if inside[-1] else [])
    found = tuple(zip(borders[::2], borders[1::2], strict=True))
    if level == 0 and not activation.kinks:
        # beyond |h| = 18 a Gaussian tail, beyond 40 an exponential one, has left float64: not a true zero
        found = tuple((a, b) for a, b in found if min(abs(a), abs(b)) <= 18.0)
    return found


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


def _reach(activation: Activation) -> float:
    """The largest |h| at which a user's functions still answer; beyond it a unit counts as it does there."""
    for edge in (USER_EDGE, 200.0, 60.0):
        try:
            evaluate(activation, np.array([-edge, edge]))
            return edge
        except InputError:
            continue
    return 30.0  # registration has probed this far


def _at_kink(activation: Activation, end: float) -> float:
    place = bisect.bisect_left(activation.kinks, end)
    for kink in activation.kinks[max(place - 1, 0) : place + 1]:
        if abs(kink - end) < 1e-8 * (1.0 + abs(kink)):
            return kink
    return end


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
