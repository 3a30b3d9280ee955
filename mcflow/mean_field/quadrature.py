"""Nodes and weights for Gaussian averages of an activation: composite Gauss-Legendre, split at its kinks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

NODES = 24  # a panel of one unit of z, or of h, then has 1e-15 for every built-in activation
REACH = 14.0  # exp(-REACH^2 / 2) z^16 is under 1e-24: enough for the sixth power of phi
FLAT = 8.0  # beyond |h| = 8 the built-in activations follow their asymptote: panels may grow


@lru_cache(maxsize=4)
def legendre(count: int) -> tuple[Array, Array]:
    """Gauss-Legendre nodes and weights on [-1, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return nodes, weights


def panels(edges: Array, count: int = NODES) -> tuple[Array, Array]:
    """(..., node) nodes and weights of composite rules, panels between sorted (..., edge) edges; no density in them."""
    x, w = legendre(count)
    half = 0.5 * np.diff(edges)
    middle = 0.5 * (edges[..., 1:] + edges[..., :-1])
    shape = (*edges.shape[:-1], -1)
    return (middle[..., None] + half[..., None] * x).reshape(shape), (half[..., None] * w).reshape(shape)


def edges_of(scale: float, kinks: Sequence[float], reach: float = REACH, step: float = 1.0) -> Array:
    """Edges of panels in z for a function of h = scale z that changes over |h| ~ 1 and breaks at ``kinks``.

    For a large scale the panels shrink geometrically towards h = 0, where the structure sits; ``step`` is the widest
    panel in z.
    """
    if scale * step <= 1.0 and not any(kinks):
        return _equal_edges(bool(kinks), reach, step)
    points = [np.arange(-reach, reach + 0.5 * step, step)]
    if scale * step > 1.0:
        flat = np.arange(-FLAT, FLAT + 0.5, 1.0) / scale
        ratio = 1.6
        count = max(0, math.ceil(math.log(max(reach * scale / FLAT, 1.0)) / math.log(ratio)))
        grown = FLAT / scale * ratio ** np.arange(1, count + 1)
        points += [flat, grown, -grown]
    if kinks:
        points.append(np.asarray(kinks) / scale)
    edges = np.unique(np.concatenate(points))
    edges = edges[(edges >= -reach) & (edges <= reach)]
    # edges that nearly coincide make a panel of no content, except beside a kink, where it is merely wasted work
    return edges


@lru_cache(maxsize=8)
def _equal_edges(has_kink: bool, reach: float, step: float) -> Array:
    """Those of panels of width ``step``, and of a kink at 0: they are the same for every scale."""
    points = np.arange(-reach, reach + 0.5 * step, step)
    edges = np.unique(np.append(points, 0.0) if has_kink else points)
    edges = edges[(edges >= -reach) & (edges <= reach)]
    edges.flags.writeable = False
    return edges


def gaussian(
    scale: float, kinks: Sequence[float] = (), reach: float = REACH, step: float = 1.0, count: int = NODES
) -> tuple[Array, Array]:
    """z and weights w with sum w f(scale z) = E f(scale z), z ~ N(0, 1), for f as in ``edges_of``."""
    return weighted(edges_of(scale, kinks, reach, step), count)


def weighted(edges: Array, count: int = NODES) -> tuple[Array, Array]:
    """As ``panels``, with the density of a standard normal in the weights; read-only, for the same are asked again."""
    return _weighted(edges.tobytes(), count)


@lru_cache(maxsize=64)
def _weighted(edges: bytes, count: int) -> tuple[Array, Array]:
    z, w = panels(np.frombuffer(edges), count)
    w = w * np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    z.flags.writeable = w.flags.writeable = False
    return z, w


def chebyshev(count: int, low: float, high: float) -> Array:
    """(count,) Chebyshev points of the first kind on [low, high], ascending."""
    x = -np.cos(math.pi * (np.arange(count) + 0.5) / count)
    return 0.5 * (low + high) + 0.5 * (high - low) * x


@lru_cache(maxsize=32)
def barycentric_weights(count: int) -> Array:
    """Barycentric weights of ``chebyshev`` points (Berrut & Trefethen 2004, section 5)."""
    k = np.arange(count)
    return np.where(k % 2 == 0, 1.0, -1.0) * np.sin(math.pi * (k + 0.5) / count)


def interpolation(nodes: Array, at: Array) -> Array:
    """(len(at), len(nodes)) matrix that takes values at Chebyshev ``nodes`` to values ``at``."""
    difference = at[:, None] - nodes[None, :]
    hit = difference == 0
    quotient = barycentric_weights(len(nodes)) / np.where(hit, 1.0, difference)
    matrix = quotient / quotient.sum(axis=1, keepdims=True)
    rows = hit.any(axis=1)
    matrix[rows] = hit[rows]
    return matrix
