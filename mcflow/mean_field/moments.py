"""Gaussian expectations of an activation: E f(sqrt(q) z), z ~ N(0, 1), for the f that theory asks for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mcflow.activations.registry import Activation
from mcflow.errors import InputError
from mcflow.mean_field import magnitude, quadrature, refinement
from mcflow.mean_field.evaluation import evaluate
from mcflow.mean_field.quadrature import Array

# Between these bounds phi is evaluated; beyond, every moment follows the power of q that it follows at the bound.
LOG_Q_LOW, LOG_Q_HIGH = math.log(1e-40), math.log(1e40)
USER_LOG_Q_HIGH = math.log(1e12)
ROUND_OFF = 4e-16  # E phi of an odd function comes out as this share of its root mean square
TAIL = 1e-9  # share of E phi^2 that may come from beyond 7/8 of the reach


LogMoments = tuple[float, float, float, float, float, float]


@dataclass(frozen=True)
class Moments:
    """Gaussian averages at one q; p = phi(h), d = phi'(h), h = sqrt(q) z, He_m the probabilists' Hermite polynomials.

    ``second[m]`` = E[p^2 He_2m(z)], m = 0..4; ``fourth[m]`` = E[p^4 He_2m], ``slope[m]`` = E[d^2 He_2m], ``mean[m]`` =
    E[p He_2m] and ``size[m]`` = E[|p| He_2m], m = 0..2. Derivatives in q follow without a derivative of phi (kinks
    allowed):
    d^m/dq^m E f = E[f He_2m] / (2 q)^m.
    """

    q: float
    mean: Array
    second: Array
    fourth: Array
    slope: Array
    size: Array
    sixth: float  # E p^6
    slope_fourth: float  # E d^4
    mixed: float  # E[d^2 p^2]
    along: float  # E[z d p]
    slope_z2: float  # E[z^2 d^2]


def moments(activation: Activation, q: float) -> Moments:
    """Every average at one q > 0 (1e-40 .. 1e40); memoised. Raises InputError where one is not finite."""
    return _moments(activation, activation.scalar, q)


@lru_cache(maxsize=8192)
def _moments(activation: Activation, scalar: object, q: float) -> Moments:
    inside = min(q, activation.far_variance)
    z, w, p, d, edges = _points(activation, inside)
    z2 = z * z
    eighth = (((z2 - 28) * z2 + 210) * z2 - 420) * z2 + 105
    hermite = np.stack([np.ones_like(z), z2 - 1, (z2 - 6) * z2 + 3, ((z2 - 15) * z2 + 45) * z2 - 15, eighth])
    with np.errstate(over="ignore", invalid="ignore"):
        p2, d2 = p * p, d * d
        p4 = p2 * p2
        even = None if activation.even_part is None else activation.even_part(math.sqrt(inside) * z)
        rows = np.stack([p if even is None else even, p2, p4, d2, p4 * p2, d2 * d2, d2 * p2, z * d * p, z2 * d2]) * w
        table = rows[:4] @ hermite.T
        single = rows[4:].sum(axis=1)
    _check_finite(activation, q, table[1, 0], table[3, 0])
    if not activation.is_builtin:
        _check_tail(activation, q, z, rows[1], table[1, 0])
    if even is None and abs(table[0, 0]) < ROUND_OFF * math.sqrt(table[1, 0]):
        table[0, 0] = 0.0
    if activation.averages is not None:
        table[0, 0], table[1, 0], table[3, 0] = activation.averages(q)
    size = magnitude.averages(activation, math.sqrt(inside), edges, (z, w, p))
    return Moments(q, table[0, :3], table[1], table[2, :3], table[3, :3], size, *(float(x) for x in single))


def _points(activation: Activation, q: float) -> tuple[Array, Array, Array, Array, Array]:
    """z, w, phi and phi' at the nodes of a rule for h = sqrt(q) z, and the edges of its panels."""
    if not activation.is_builtin:
        found = refinement.resolve(activation, activation.scalar, q)
        return found.z, found.w, found.phi, found.dphi, found.edges
    # a periodic phi turns over a radian everywhere, not only near 0
    step = min(1.0, 3.0 * (activation.period / (2.0 * math.pi)) / math.sqrt(q)) if activation.period else 1.0
    edges = quadrature.edges_of(math.sqrt(q), activation.kinks, step=step)
    z, w = quadrature.weighted(edges)
    return z, w, *evaluate(activation, math.sqrt(q) * z), edges


def mean_slope(activation: Activation, q: float) -> float:
    """E phi'(h), h ~ N(0, q)."""
    _, w, _, d, _ = _points(activation, min(q, activation.far_variance))
    return float(w @ d)


def _check_finite(activation: Activation, q: float, second: float, slope: float) -> None:
    if not math.isfinite(second):
        raise InputError(_not_integrable(activation, "phi", q))
    if not math.isfinite(slope) and activation.has_slope:
        raise InputError(_not_integrable(activation, "phi'", q))


def _check_tail(activation: Activation, q: float, z: Array, contributions: Array, total: float) -> None:
    tail = contributions[np.abs(z) > 0.875 * refinement.REACH].sum()
    if tail > TAIL * total:
        raise InputError(_not_integrable(activation, "phi", q))


def _not_integrable(activation: Activation, what: str, q: float) -> str:
    return (
        f"activation {activation.name!r}: E[{what}(h)^2] is not finite for h ~ N(0, {q:.4g}); "
        "theory needs a function that is square-integrable under a Gaussian"
    )


@lru_cache(maxsize=8192)
def _at_log(activation: Activation, scalar: object, log_q: float) -> LogMoments:
    high = LOG_Q_HIGH if activation.is_builtin else USER_LOG_Q_HIGH
    bound = min(max(log_q, LOG_Q_LOW), high)
    here = _signed_logs(moments(activation, math.exp(bound)))
    if bound == log_q:
        return here
    step = 2.0 if bound == LOG_Q_LOW else -2.0
    inner = _signed_logs(moments(activation, math.exp(bound + step)))
    return tuple(  # type: ignore[return-value]
        a if not math.isfinite(a) or not math.isfinite(b) else a + (b - a) / step * (log_q - bound)
        for a, b in zip(here, inner, strict=True)
    )


def _signed_logs(m: Moments) -> LogMoments:
    with np.errstate(divide="ignore"):
        second, slope, fourth, mean, size = np.log(
            [m.second[0], m.slope[0], m.fourth[0], abs(m.mean[0]), m.size[0]]
        ).tolist()
    # the sign rides along as an infinity: it is not extrapolated
    return second, slope, fourth, mean, math.copysign(math.inf, m.mean[0]), size


def log_moments(activation: Activation, log_q: float) -> LogMoments:
    """log E phi^2, log E phi'^2, log E phi^4, log |E phi|, +-inf for the sign of E phi, and log E |phi|, at any log q.

    Beyond q = 1e-40 and 1e40 (1e12 for a user's function) every moment goes on as the power of q that it is there.
    """
    return _at_log(activation, activation.scalar, log_q)
