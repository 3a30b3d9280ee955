"""Two inputs: E[phi(h_a) phi(h_b)] for correlated Gaussians, and the map that takes their correlation a layer on."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from mcflow.activations.registry import Activation
from mcflow.mean_field import moments, plane, smoothing
from mcflow.mean_field.evaluation import evaluate, slopes, values
from mcflow.mean_field.plane import Rule

FINE = Rule(20, 1.0, 10.0)  # 1e-11 for the built-in activations, 20 ms
FAST = Rule(10, 2.5, 7.5, smooth=True)  # 1e-11 still where sqrt(q) < 4, a millisecond: for one map a layer


def product(
    activation: Activation,
    q_a: float,
    q_b: float,
    correlation: float,
    derivative: bool = False,
    rule: Rule | None = None,
) -> float:
    """E[phi(h_a) phi(h_b)], h_a ~ N(0, q_a), h_b ~ N(0, q_b) of that correlation; of phi' with ``derivative``.

    Closed forms for piecewise linear activations, erf, sin and squared ReLU; else a rule in the plane rotated to
    h_a +- h_b, whose panels break where either argument meets a kink. ``rule`` None takes the fine one; a user's
    function goes by ``smoothing`` and needs none.
    """
    correlation = min(1.0, max(-1.0, correlation))
    if min(q_a, q_b) <= 0.0:
        p = [_flat(activation, q, derivative) for q in (q_a, q_b)]
        return p[0] * p[1]
    if q_a == q_b and abs(correlation) == 1.0 and (correlation > 0 or activation.negative_slope == 1.0):
        m = moments.moments(activation, q_a)
        value = float(m.slope[0] if derivative else m.second[0])
        return value if correlation > 0 or derivative else -value
    closed = activation.pair_products
    if closed is not None:
        return closed[int(derivative)](math.sqrt(q_a * q_b), q_a + q_b, correlation)
    if correlation == 0.0:
        return _flat(activation, q_a, derivative) * _flat(activation, q_b, derivative)
    if not activation.is_builtin:
        return smoothing.product(activation, q_a, q_b, correlation, derivative)
    return _plane(activation, q_a, q_b, correlation, derivative, rule or FINE)


def _flat(activation: Activation, q: float, derivative: bool) -> float:
    """E phi (or E phi') of one variable alone; q = 0 is phi(0)."""
    if q <= 0.0:
        p, d = evaluate(activation, np.zeros(1))
        return float((d if derivative else p)[0])
    if not derivative:
        return float(moments.moments(activation, q).mean[0])
    return moments.mean_slope(activation, q)


@lru_cache(maxsize=65536)
def _plane(activation: Activation, q_a: float, q_b: float, c: float, derivative: bool, rule: Rule) -> float:
    # h_a = sqrt(q_a) (C z + S w), h_b = sqrt(q_b) (C z - S w) with z, w independent N(0, 1)
    big, small = math.sqrt(0.5 * (1.0 + c)), math.sqrt(0.5 * (1.0 - c))
    scale_a, scale_b = math.sqrt(q_a), math.sqrt(q_b)
    z, w, weight, _ = plane.nodes(activation, scale_a, scale_b, big, small, rule)
    taken = slopes if derivative else values
    left = taken(activation, scale_a * (big * z + small * w))
    right = taken(activation, scale_b * (big * z - small * w))
    return float(weight @ (left * right))
