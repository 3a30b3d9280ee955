"""Two inputs and a user's function: E[f(h_a) f(h_b)] from values of f along one line, smoothed by what is not shared.

With h_a = sqrt(q_a)(A t + B u), h_b = sqrt(q_b)(A t + B u'), A^2 = |c|, B^2 = 1 - |c| and t, u, u' independent N(0, 1)
the average is that over t of F_a(t) F_b(t), F(t) = E_u f(sqrt(q)(A t + B u)): phi is taken where one input needs it,
and F is as smooth as the Gaussian it is made with, whatever jumps phi has.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from mcflow.activations.registry import Activation
from mcflow.mean_field import quadrature
from mcflow.mean_field.evaluation import slopes, values
from mcflow.mean_field.quadrature import Array
from mcflow.mean_field.refinement import COUNT, resolve

REACH = 9.5  # in z: beyond lies 1e-21
KERNEL = 9.0  # in B: beyond lies 1e-18
PANEL = 2.0  # in B, the widest panel of the smoothing rule
# the trapezoidal step in t: F_a F_b n(t) grows like exp(y^2 (A^2 / B^2 + 1/2)) off the real line, the error is e^-33
STEP = math.pi / math.sqrt(33.0)
BLOCK = 64  # points t at a time
# of 1 - |c|: nearer to 1 what is lost there, x^(1/2) for a jump, x for what is smooth, goes on as it does here
CLOSEST, NEARER = 1e-5, 1e-7
ALONG = 0.05  # of the middle panel, for B where that begins: the series is short only if B is small against phi
POWERS = np.array([0.5, 1.0, 2.0, 3.0])


def product(activation: Activation, q_a: float, q_b: float, c: float, derivative: bool) -> float:
    """E[phi(h_a) phi(h_b)], or of phi', for -1 <= c <= 1; memoised. Raises InputError where phi is not resolved."""
    if derivative and not activation.has_slope:
        return math.nan
    rest = 1.0 - abs(c)
    if rest >= CLOSEST:
        return _product(activation, activation.scalar, q_a, q_b, c, derivative)
    closest = min(_closest(activation, activation.scalar, q) for q in (q_a, q_b))
    if rest >= closest:
        return _product(activation, activation.scalar, q_a, q_b, c, derivative)
    sign = math.copysign(1.0, c)
    aligned = _aligned(activation, activation.scalar, q_a, q_b, sign, derivative)
    steps = np.arange(1.0, 1.0 + len(POWERS))
    lost = [
        aligned - _product(activation, activation.scalar, q_a, q_b, sign * (1.0 - k * closest), derivative)
        for k in steps.tolist()
    ]
    series = np.linalg.solve(steps[:, None] ** POWERS, np.array(lost))
    return float(aligned - (rest / closest) ** POWERS @ series)


@lru_cache(maxsize=1024)
def _closest(activation: Activation, scalar: object, q: float) -> float:
    edges = resolve(activation, scalar, q).edges
    panel = float(np.median(np.diff(edges[np.abs(edges) < 3.0])))
    return min(CLOSEST, max(NEARER, (ALONG * panel) ** 2))


@lru_cache(maxsize=8192)
def _aligned(activation: Activation, scalar: object, q_a: float, q_b: float, sign: float, derivative: bool) -> float:
    """The average at c = +-1, where h_b = +-sqrt(q_b / q_a) h_a."""
    edges = [resolve(activation, activation.scalar, q).edges for q in (q_a, q_b)]
    z, w = quadrature.panels(np.unique(np.concatenate([edges[0], sign * edges[1]])), COUNT)
    w = w * np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    taken = slopes if derivative else values
    return float(w @ (taken(activation, math.sqrt(q_a) * z) * taken(activation, sign * math.sqrt(q_b) * z)))


@lru_cache(maxsize=65536)
def _product(activation: Activation, scalar: object, q_a: float, q_b: float, c: float, derivative: bool) -> float:
    shared, own = math.sqrt(abs(c)), math.sqrt(1.0 - abs(c))
    step = STEP / math.sqrt((shared / own) ** 2 + 0.5)
    last = math.ceil(REACH / step)
    t: Array = step * np.arange(-last, last + 1, dtype=np.float64)
    first = _smoothed(activation, q_a, t, shared, own, derivative)
    if q_a == q_b and c > 0:
        second = first
    elif q_a == q_b:
        second = first[::-1]
    else:
        second = _smoothed(activation, q_b, math.copysign(1.0, c) * t, shared, own, derivative)
    density = step * np.exp(-0.5 * t * t) / math.sqrt(2.0 * math.pi)
    return float(density @ (first * second))


def _smoothed(activation: Activation, q: float, t: Array, shared: float, own: float, derivative: bool) -> Array:
    """F(t): phi, or phi', at sqrt(q) z averaged over z ~ N(shared t, own^2)."""
    backwards = t[0] > t[-1]
    centre = shared * (t[::-1] if backwards else t)
    edges = resolve(activation, activation.scalar, q).edges
    count = math.ceil(2.0 * REACH / (PANEL * own))
    edges = np.unique(np.concatenate([edges[np.abs(edges) < REACH], np.linspace(-REACH, REACH, count + 1)]))
    z, w = quadrature.panels(edges, COUNT)
    weighted = (slopes if derivative else values)(activation, math.sqrt(q) * z) * w
    out = np.empty(len(t))
    for start in range(0, len(t), BLOCK):
        of_block = centre[start : start + BLOCK]
        low, high = np.searchsorted(z, [of_block[0] - KERNEL * own, of_block[-1] + KERNEL * own])
        away = (z[low:high] - of_block[:, None]) / own
        out[start : start + BLOCK] = np.exp(-0.5 * away * away) @ weighted[low:high]
    out /= own * math.sqrt(2.0 * math.pi)
    return out[::-1] if backwards else out
