"""The plane of (sigma_w, sigma_b): fixed point, chi_1 and depth scales of an activation at every point of a grid."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mcflow.activations import Activation
from mcflow.theory.criticality import depth_scale, edge_of_chaos
from mcflow.theory.expectations import moments
from mcflow.theory.quadrature import Array
from mcflow.theory.variance_map import limit

COLUMNS = ("sigma_w", "sigma_b", "q", "chi_1", "chi_parallel", "xi_q", "xi_chi")


@dataclass(frozen=True)
class Plane:
    """(sigma_b, sigma_w) grids; ``q`` is where inputs of second moment 1 go: 0 and inf where they vanish or explode.

    ``chi_1`` is the gradient's factor there, ``xi_q`` and ``xi_chi`` = 1 / |ln chi_1| depth scales in layers.
    ``edge_w`` and ``edge_b`` trace the edge of chaos inside the grid, by growing q.
    """

    sigma_w: Array
    sigma_b: Array
    q: Array
    chi_1: Array
    chi_parallel: Array
    edge_w: Array
    edge_b: Array

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
    edge = [point for b in sigma_b.tolist() for point in edge_of_chaos(activation, b * b)]
    # where V' > 1 the fixed point is one that nothing goes to
    edge = [p for p in edge if sigma_w[0] <= p.sigma_w <= sigma_w[-1] and p.chi_parallel <= 1.0 + 1e-9]
    edge.sort(key=lambda point: point.q)
    return Plane(
        sigma_w,
        sigma_b,
        q,
        chi,
        parallel,
        np.array([point.sigma_w for point in edge]),
        np.array([point.sigma_b for point in edge]),
    )
