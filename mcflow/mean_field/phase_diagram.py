"""The plane of (sigma_w, sigma_b): fixed point, chi_1 and depth scales of an activation at every point of a grid."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from mcflow.activations.registry import Activation
from mcflow.errors import InputError
from mcflow.mean_field.critical import CriticalPair, critical_pair, depth_scale, edge_of_chaos
from mcflow.mean_field.moments import moments
from mcflow.mean_field.quadrature import Array
from mcflow.mean_field.variance_map import GRID, highest, limit, vanishes_at_zero

EDGE_LOW = math.log(1e-7)  # log q from which the edge is traced: below, sigma_b^2 is the round-off of a difference
COLUMNS = ("sigma_w", "sigma_b", "q", "chi_1", "chi_parallel", "xi_q", "xi_chi")


@dataclass(frozen=True)
class EdgePiece:
    """One unbroken piece of the edge of chaos, (point,) each by growing q.

    ``stable`` says whether q stays at its fixed point there: V'(q) <= 1. Where it does not, chi_1 = 1 at a q that no
    signal keeps.
    """

    sigma_w: Array
    sigma_b: Array
    stable: bool


@dataclass(frozen=True)
class Plane:
    """(sigma_b, sigma_w) grids; ``q`` is where inputs of second moment 1 go: 0 and inf where they vanish or explode.

    ``chi_1`` is the gradient's factor there, ``xi_q`` and ``xi_chi`` = 1 / |ln chi_1| depth scales in layers.
    ``edge`` holds the pieces of the edge of chaos that come into the grid, stable and unstable ones, by growing q.
    """

    sigma_w: Array
    sigma_b: Array
    q: Array
    chi_1: Array
    chi_parallel: Array
    edge: tuple[EdgePiece, ...]

    def rows(self) -> list[tuple[float, ...]]:
        """One row a point in the order of COLUMNS."""
        out = []
        for i, b in enumerate(self.sigma_b.tolist()):
            for j, w in enumerate(self.sigma_w.tolist()):
                chi, parallel = float(self.chi_1[i, j]), float(self.chi_parallel[i, j])
                scales = [depth_scale(x) if math.isfinite(x) else math.nan for x in (parallel, chi)]
                out.append((w, b, float(self.q[i, j]), chi, parallel, *scales))
        return out


def plane(activation: Activation, sigma_w: Array, sigma_b: Array) -> Plane:
    """The phase diagram on a grid of standard deviations sigma_w (fan_in Var W = sigma_w^2) and sigma_b."""
    shape = (len(sigma_b), len(sigma_w))
    q, chi, parallel = np.full((3, *shape), np.nan)
    for i, b in enumerate(sigma_b.tolist()):
        for j, w in enumerate(sigma_w.tolist()):
            q[i, j] = limit(activation, w * w, b * b, w * w + b * b)
            at = min(max(q[i, j], 1e-40), 1e12)
            m = moments(activation, at)
            chi[i, j] = w * w * m.slope[0]
            parallel[i, j] = w * w * m.second[1] / (2.0 * at)
    edge = [piece for piece in edge_pieces(activation, float(sigma_b[-1])) if _comes_into(piece, sigma_w, sigma_b)]
    return Plane(sigma_w, sigma_b, q, chi, parallel, tuple(edge))


def edge_pieces(activation: Activation, highest_sigma_b: float) -> tuple[EdgePiece, ...]:
    """The edge of chaos, traced in q and cut where sigma_b^2 would be negative and where its stability changes.

    Pieces that meet share a point. A piecewise linear activation has one vertical line up to ``highest_sigma_b``.
    """
    if activation.negative_slope is not None:
        sigma_w = edge_of_chaos(activation)[0].sigma_w
        return (EdgePiece(np.full(2, sigma_w), np.array([0.0, highest_sigma_b]), True),)
    runs: list[list[CriticalPair]] = [[]]
    if vanishes_at_zero(activation):
        runs[0] += [point for point in edge_of_chaos(activation) if point.q == 0.0]
    ends = [point for point in edge_of_chaos(activation) if point.q > 0.0]
    for pair in _traced(activation, ends):
        if pair is not None:
            runs[-1].append(pair)
        elif runs[-1]:
            runs.append([])
    return tuple(piece for run in runs if len(run) > 1 for piece in _by_stability(run))


def _traced(activation: Activation, ends: list[CriticalPair]) -> list[CriticalPair | None]:
    """Points of the edge by growing q, those at sigma_b = 0 among them; None where there is none."""
    found: list[tuple[float, CriticalPair | None]] = [(point.q, point) for point in ends]
    for log_q in np.linspace(EDGE_LOW, highest(activation), 4 * GRID).tolist():
        q = math.exp(log_q)
        try:
            pair = critical_pair(activation, q)
            found.append((q, pair if pair is not None and math.isfinite(pair.weight_variance) else None))
        except InputError:  # a user's function that cannot be averaged there
            found.append((q, None))
    return [pair for _, pair in sorted(found, key=lambda each: each[0])]


def _by_stability(run: list[CriticalPair]) -> list[EdgePiece]:
    stable = [abs(point.chi_parallel) <= 1.0 + 1e-9 for point in run]
    cuts = [0, *(i for i in range(1, len(run)) if stable[i] != stable[i - 1]), len(run)]
    pieces = []
    for start, end in itertools.pairwise(cuts):
        if end < 2:  # q = 0 by itself, where V' = 1: the first point of what follows
            continue
        part = run[max(start - 1, 0) : end]  # from the last point of the piece before: no gap between them
        pieces.append(
            EdgePiece(
                np.array([point.sigma_w for point in part]), np.array([point.sigma_b for point in part]), stable[start]
            )
        )
    return pieces


def _comes_into(piece: EdgePiece, sigma_w: Array, sigma_b: Array) -> bool:
    inside = (piece.sigma_w >= sigma_w[0]) & (piece.sigma_w <= sigma_w[-1]) & (piece.sigma_b <= sigma_b[-1])
    return bool(inside.any())
