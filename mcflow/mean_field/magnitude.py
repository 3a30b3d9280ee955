"""Where phi changes its sign, and E |phi(h)|: panels are cut there, since |phi| has a kink."""

from __future__ import annotations

import numpy as np

from mcflow.activations.registry import Activation
from mcflow.mean_field import quadrature
from mcflow.mean_field.evaluation import values
from mcflow.mean_field.quadrature import Array

HALVINGS = 60  # of an interval that holds a zero: then it is known to the last bit


def zeros_between(activation: Activation, h: Array, phi: Array, beyond: float = -1.0) -> Array:
    """(zero,) where phi, given at ascending points ``h``, changes its sign between two of them; |zero| > ``beyond``."""
    change = np.flatnonzero(phi[1:] * phi[:-1] < 0.0)
    # what lies between two points that are not beyond it need not be found
    change = change[np.maximum(np.abs(h[change]), np.abs(h[change + 1])) > beyond]
    left, right = h[change], h[change + 1]
    positive = phi[change] > 0.0
    for _ in range(HALVINGS if len(change) else 0):
        middle = 0.5 * (left + right)
        same = (values(activation, middle) > 0.0) == positive
        left, right = np.where(same, middle, left), np.where(same, right, middle)
    zeros: Array = 0.5 * (left + right)
    return zeros[np.abs(zeros) > beyond]


def averages(activation: Activation, scale: float, edges: Array, rule: tuple[Array, Array, Array]) -> Array:
    """E[|phi(h)| He_2m(z)], m = 0..2, for h = scale z, z ~ N(0, 1).

    ``rule``: nodes z, weights and phi on them, of panels between ``edges``, on which the averages of phi are known. The
    rule is used as it is where phi changes its sign at an edge alone: at h = 0, for all built-in activations but sin.
    """
    z, w, phi = rule
    zeros = z[:0]
    if (phi[1:] * phi[:-1] < 0.0).any():
        is_edge = 0.0 in edges and values(activation, np.zeros(1))[0] == 0.0
        nearest = scale * float(np.abs(z).min()) if is_edge else -1.0
        zeros = zeros_between(activation, scale * z, phi, nearest)
    if len(zeros):
        z, w = quadrature.weighted(np.unique(np.concatenate([edges, zeros / scale])))
        phi = values(activation, scale * z)
    z2 = z * z
    weighted = np.abs(phi) * w
    return np.array([weighted.sum(), weighted @ (z2 - 1.0), weighted @ ((z2 - 6.0) * z2 + 3.0)])
