"""E[phi(h_a) phi(h_b)] and E[phi'(h_a) phi'(h_b)] of two correlated Gaussians, where they are elementary.

Functions of q = sqrt(q_a q_b), total = q_a + q_b and the correlation c.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

Product = Callable[[float, float, float], float]


class PairProducts(NamedTuple):
    """The average of the product of phi at two inputs, and that of phi'."""

    of_phi: Product
    of_slope: Product


def leaky(slope: float) -> PairProducts:
    """Of phi(h) = h for h > 0 and slope h below."""
    return PairProducts(partial(_leaky, slope), partial(_leaky_slope, slope))


def _leaky(a: float, q: float, total: float, c: float) -> float:
    """Cho & Saul 2009, section 2 (arc-cosine kernel of order 1), for slopes 1 and a: q = sqrt(q_a q_b)."""
    s = math.sqrt((1.0 - c) * (1.0 + c))
    same = (s + (math.pi - math.acos(c)) * c) * q / (2.0 * math.pi)
    opposite = (s - math.acos(c) * c) * q / (2.0 * math.pi)
    return (1.0 + a * a) * same - 2.0 * a * opposite


def _leaky_slope(a: float, q: float, total: float, c: float) -> float:
    """Cho & Saul 2009 (order 0): the signs agree with probability 1 - acos(c) / pi."""
    agree = 1.0 - math.acos(c) / math.pi
    return 0.5 * (1.0 + a * a) * agree + a * (1.0 - agree)


def _sin_of(q: float, total: float, c: float) -> float:
    return (
        0.5 * (math.exp(c * q - 0.5 * total) - math.exp(-c * q - 0.5 * total))
        if q > 1
        else math.exp(-0.5 * total) * math.sinh(c * q)
    )


def _sin_slope(q: float, total: float, c: float) -> float:
    return 0.5 * (math.exp(c * q - 0.5 * total) + math.exp(-c * q - 0.5 * total))


def _erf_of(q: float, total: float, c: float) -> float:
    """Williams 1997: (2 / pi) asin(2 c q / sqrt((1 + 2 q_a)(1 + 2 q_b))), by atan2."""
    rest = 1.0 + 2.0 * total + 4.0 * q * q * (1.0 - c) * (1.0 + c)
    return (2.0 / math.pi) * math.atan2(2.0 * c * q, math.sqrt(rest))


def _erf_slope(q: float, total: float, c: float) -> float:
    return (4.0 / math.pi) / math.sqrt(1.0 + 2.0 * total + 4.0 * q * q * (1.0 - c) * (1.0 + c))


def _squared_of(q: float, total: float, c: float) -> float:
    """Cho & Saul 2009, section 2 (order 2)."""
    s = math.sqrt((1.0 - c) * (1.0 + c))
    return q * q / (2.0 * math.pi) * (3.0 * s * c + (math.pi - math.acos(c)) * (1.0 + 2.0 * c * c))


def _squared_slope(q: float, total: float, c: float) -> float:
    return 4.0 * _leaky(0.0, q, total, c)


SIN = PairProducts(_sin_of, _sin_slope)
ERF = PairProducts(_erf_of, _erf_slope)
SQUARED_RELU = PairProducts(_squared_of, _squared_slope)
