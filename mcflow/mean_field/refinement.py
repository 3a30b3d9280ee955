"""Quadrature of a user's function, of which nothing is known: panels are halved until two rules agree on each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mcflow.activations.registry import Activation
from mcflow.activations.user_functions import difference_step
from mcflow.errors import InputError
from mcflow.mean_field import quadrature
from mcflow.mean_field.evaluation import evaluate
from mcflow.mean_field.quadrature import Array

COUNT = 16  # nodes a panel
REACH = 18.0  # in z: a user's function may grow faster than a power
AGREED, AGREED_QUOTIENT = 1e-11, 1e-8  # of an integral, by which a panel and its halves may differ; of quotients
ENOUGH = 1e-6  # of an integral, by which all panels that were not halved any more may be wrong together
NARROWEST = 1e-14  # of |z| and of the reach: a narrower panel is not halved
MOST_NODES = 1_000_000  # at which phi is taken: half a second
NAMES = ("E phi(h)", "E phi(h)^2", "E phi(h)^4", "E phi'(h)^2", "E phi'(h)^4")


class NotPredicted(InputError):
    """Quadrature does not reach an average of a user's function; the message says which."""


@dataclass(frozen=True)
class Resolved:
    """Edges of panels in z, ascending, and on their COUNT nodes each z, w, phi and phi' at h = sqrt(q) z.

    sum w f(z) = E f for z ~ N(0, 1) and every f made of phi, phi' and powers of z. phi' is NaN where it is none: a
    difference quotient of a phi that jumps.
    """

    edges: Array
    z: Array
    w: Array
    phi: Array
    dphi: Array


@lru_cache(maxsize=8)
def resolve(activation: Activation, scalar: object, q: float) -> Resolved:
    """Panels on which the averages of a user's phi over h ~ N(0, q) are known to 1e-10, as its own rules agree.

    Raises NotPredicted where MOST_NODES do not bring the error under ENOUGH.
    """
    panels = _start(activation, q)
    whole, _, _ = _integrals(activation, q, panels)
    done: list[tuple[Array, ...]] = []
    settled, wrong = np.zeros((2, len(NAMES)))
    tolerance = np.full(len(NAMES), AGREED)
    if activation.derivative_by_difference:
        tolerance[3:] = AGREED_QUOTIENT
    nodes = 0
    while len(panels):
        middle = 0.5 * (panels[:, 0] + panels[:, 1])
        halves = np.stack([panels[:, 0], middle, middle, panels[:, 1]], axis=1).reshape(-1, 2)
        parts, sizes, values = _integrals(activation, q, halves)
        nodes += COUNT * len(halves)
        total = settled + sizes.sum(axis=0)
        known = np.isfinite(total)  # what overflows is no average: it is refused, or left out, where it is asked for
        with np.errstate(invalid="ignore"):
            error = np.abs(whole - parts.reshape(-1, 2, len(NAMES)).sum(axis=1))
            rough = ((error > tolerance * total) & known).any(axis=1)
        narrow = panels[:, 1] - panels[:, 0] < NARROWEST * np.maximum(np.abs(middle), REACH)
        again = rough & ~narrow & (nodes + 4 * COUNT * int(rough.sum()) <= MOST_NODES)
        stay = np.repeat(~again, 2)
        done.append((halves[stay], *(value.reshape(len(halves), COUNT)[stay] for value in values)))
        settled = settled + sizes[stay].sum(axis=0)
        wrong = wrong + error[~again].sum(axis=0)
        panels, whole = halves[~stay], parts[~stay]
    with np.errstate(invalid="ignore"):
        lost = np.isfinite(settled) & (wrong > ENOUGH * settled)
    if lost.any():
        raise NotPredicted(_unresolved(activation, q, NAMES[int(np.flatnonzero(lost)[0])]))
    return _joined(done)


def _start(activation: Activation, q: float) -> Array:
    """(panel, 2) ends of the first panels: a unit of z wide at most, cut at the kinks and around h = 0."""
    kinks = activation.kinks
    if activation.derivative_by_difference:  # where the quotient spans a kink it is not phi'
        at = np.asarray(kinks)
        kinks = tuple(np.concatenate([at - difference_step(at), at, at + difference_step(at)]).tolist())
    edges = quadrature.edges_of(math.sqrt(q), kinks, REACH)
    return np.stack([edges[:-1], edges[1:]], axis=1)


def _integrals(activation: Activation, q: float, panels: Array) -> tuple[Array, Array, tuple[Array, ...]]:
    """(panel, NAMES) integrals and those of absolute values, and z, w, phi, phi' at the nodes.

    Each is weighted by as many powers of z as the Hermite polynomials bring that are asked for with it.
    """
    x, weight = quadrature.legendre(COUNT)
    half, middle = 0.5 * (panels[:, 1] - panels[:, 0]), 0.5 * (panels[:, 1] + panels[:, 0])
    z = (middle[:, None] + half[:, None] * x).ravel()
    w = (half[:, None] * weight).ravel() * np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    p, d = evaluate(activation, math.sqrt(q) * z)
    if not activation.has_slope:
        d = np.full_like(d, np.nan)
    z4 = z * z * z * z
    with np.errstate(over="ignore", invalid="ignore"):
        p2, d2 = p * p, d * d
        fourth, eighth = 1.0 + z4 / 3.0, 1.0 + z4 * z4 / 105.0
        powers: tuple[Array, ...] = (fourth, eighth, fourth, fourth, np.ones_like(z))
        rows = np.stack([f * g * w for f, g in zip((p, p2, p2 * p2, d2, d2 * d2), powers, strict=True)])
        shape = (len(NAMES), len(panels), COUNT)
        return rows.reshape(shape).sum(axis=2).T, np.abs(rows).reshape(shape).sum(axis=2).T, (z, w, p, d)


def _joined(done: list[tuple[Array, ...]]) -> Resolved:
    ends = np.concatenate([part[0] for part in done])
    order: NDArray[np.int64] = np.argsort(ends[:, 0])
    z, w, p, d = (np.concatenate([part[i] for part in done])[order].ravel() for i in range(1, 5))
    ends = ends[order]
    return Resolved(np.append(ends[:, 0], ends[-1, 1]), z, w, p, d)


def _unresolved(activation: Activation, q: float, what: str) -> str:
    return (
        f"activation {activation.name!r}: {what} is not predicted for h ~ N(0, {q:.4g}): two quadrature rules still "
        f"differ after {MOST_NODES:,} points; phi has structure that is too fine, or jumps or poles that are not among "
        "its kinks (name them: kinks = (...) beside phi in its module, or register(..., kinks=...))"
    )
