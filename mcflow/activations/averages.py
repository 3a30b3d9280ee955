"""Gaussian averages that are elementary, (E phi, E phi^2, E phi'^2) at h ~ N(0, q), accurate at every q."""

from __future__ import annotations

import math
from collections.abc import Callable

Averages = tuple[float, float, float]


def leaky(slope: float) -> Callable[[float], Averages]:
    """Of phi(h) = h for h > 0 and slope h below."""
    half = 0.5 * (1.0 + slope * slope)
    return lambda q: ((1.0 - slope) * math.sqrt(q / (2.0 * math.pi)), half * q, half)


def squared_relu(q: float) -> Averages:
    return 0.5 * q, 1.5 * q * q, 2.0 * q


def sin(q: float) -> Averages:
    return 0.0, -0.5 * math.expm1(-2.0 * q), 0.5 * (1.0 + math.exp(-2.0 * q))


def erf(q: float) -> Averages:
    # asin(x) with x = 2 q / (1 + 2 q): written by atan2, which keeps its digits as x -> 1 (Williams 1997)
    second = (2.0 / math.pi) * math.atan2(2.0 * q, math.sqrt(1.0 + 4.0 * q))
    return 0.0, second, (4.0 / math.pi) / math.sqrt(1.0 + 4.0 * q)


def gelu(q: float) -> Averages:
    root = math.sqrt(1.0 + 2.0 * q)
    angle = math.atan2(q, root)  # asin(q / (1 + q))
    mean = q / math.sqrt(2.0 * math.pi * (1.0 + q))
    second = 0.25 * q + q / (2.0 * math.pi) * angle + q * q / (math.pi * (1.0 + q) * root)
    # E Phi^2 + 2 E[h Phi density] + E[h^2 density^2], the second term by Stein's lemma
    slope = 0.25 + angle / (2.0 * math.pi) + q / (math.pi * (1.0 + q) * root) + q / (2.0 * math.pi * root**3)
    return mean, second, slope


def hardtanh(q: float) -> Averages:
    inside = math.erf(1.0 / math.sqrt(2.0 * q))
    outside = math.erfc(1.0 / math.sqrt(2.0 * q))
    if q < 1.0:
        second = q * (inside - math.sqrt(2.0 / (math.pi * q)) * math.exp(-0.5 / q)) + outside
    else:
        # E[h^2; |h| < 1] = sqrt(2 / (pi q)) sum_k (-1/(2q))^k / (k! (2k + 3)): no difference of near equals
        total, term = 0.0, 1.0
        for k in range(30):
            total += term / (2 * k + 3)
            term *= -0.5 / (q * (k + 1))
        second = math.sqrt(2.0 / (math.pi * q)) * total + outside
    return 0.0, second, inside
