"""Nodes and weights in the plane of two correlated Gaussians, turned to h_a +- h_b and split where phi has kinks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mcflow.activations.registry import Activation
from mcflow.mean_field import quadrature
from mcflow.mean_field.quadrature import Array

SMOOTH_STEP, SMOOTH_SCALE = 0.5, 4.0  # of the trapezoidal rule, and the largest sqrt(q) that it serves
POLE = 0.33  # its step times sqrt(q): exp(-2 pi d / 0.33) is 1e-13 for the nearest pole, d = pi / 2 of tanh


@dataclass(frozen=True)
class Rule:
    """How finely the plane is covered: nodes a panel, widest panel and reach, in units of the standard deviation.

    ``smooth`` allows the trapezoidal rule where phi has no kinks and h is of the size where phi bends.
    """

    nodes: int
    step: float
    reach: float
    smooth: bool = False


def nodes(
    activation: Activation, scale_a: float, scale_b: float, big: float, small: float, rule: Rule
) -> tuple[Array, Array, Array, bool]:
    """z, w and their weights with sum weight f(z, w) = E f for two independent N(0, 1), and whether w >= 0 only.

    f is a function of h_a = scale_a (big z + small w) and h_b = scale_b (big z - small w), big^2 + small^2 = 1. Where
    the scales agree w -> -w only swaps the two, and half of the plane may stand for it: f has to be even in w, then.
    """
    swapped = big < small  # the inner variable is the one of the larger coefficient: h_b -> -h_b
    inner, outer, sign = (small, big, -1.0) if swapped else (big, small, 1.0)
    largest = max(scale_a, scale_b)
    even = scale_a == scale_b and not swapped
    kinks = np.asarray(activation.kinks, dtype=np.float64)
    if rule.smooth and activation.is_builtin and not len(kinks) and largest <= SMOOTH_SCALE:
        z, w, weight = _trapezoidal(largest * inner, largest * outer, even, rule.reach)
    else:
        w, weight_w = _outer(largest * outer, scale_a, scale_b, kinks, outer, sign, even, rule)
        z, weight = _inner(w, largest * inner, scale_a, scale_b, kinks, inner, outer, sign, rule)
        weight = weight * weight_w[:, None]
        w = np.broadcast_to(w[:, None], z.shape)
    z, w, weight = z.ravel(), w.ravel(), weight.ravel()
    return (w, z, weight, even) if swapped else (z, w, weight, even)


def _trapezoidal(inner: float, outer: float, even: bool, reach: float) -> tuple[Array, Array, Array]:
    """Equal steps: the error falls like exp(-2 pi d / step), d the distance of the nearest pole."""
    lines, weights = [], []
    for scale in (outer, inner):
        step = min(SMOOTH_STEP, POLE / max(scale, POLE))
        count = math.ceil(reach / step)
        x = step * np.arange(-count, count + 1)
        lines.append(x)
        weights.append(step * np.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi))
    w, z = lines
    if even:
        half = len(w) // 2
        w, weights[0] = w[half:], weights[0][half:] * np.where(np.arange(len(w) - half) == 0, 1.0, 2.0)
    grid = np.meshgrid(z, w)
    return grid[0], grid[1], weights[0][:, None] * weights[1]


def _outer(
    scale: float, scale_a: float, scale_b: float, kinks: Array, outer: float, sign: float, even: bool, rule: Rule
) -> tuple[Array, Array]:
    """Nodes of w; edges where a kink line of h_a crosses one of h_b (in z), or the structure near 0 asks for them."""
    crossings = [0.0]
    if len(kinks) and outer > 1e-12:
        difference = kinks[:, None] / scale_a - sign * kinks[None, :] / scale_b
        crossings += (0.5 * difference.ravel() / outer).tolist()
    edges = quadrature.edges_of(max(scale, 1e-300), (), rule.reach, rule.step)
    edges = np.unique(np.concatenate([edges, [x for x in crossings if abs(x) < rule.reach]]))
    if even:
        edges = edges[edges >= 0.0]
    w, weight = quadrature.panels(edges, rule.nodes)
    return w, weight * np.exp(-0.5 * w * w) / math.sqrt(2.0 * math.pi) * (2.0 if even else 1.0)


def _inner(
    w: Array,
    scale: float,
    scale_a: float,
    scale_b: float,
    kinks: Array,
    inner: float,
    outer: float,
    sign: float,
    rule: Rule,
) -> tuple[Array, Array]:
    """(w, node) nodes of z and their weights; for each w the panels break where h_a or h_b is at a kink, or at 0."""
    base = quadrature.edges_of(1.0, (), rule.reach, rule.step)
    shift = outer * w[:, None]
    graded = quadrature.edges_of(scale, (), rule.reach, rule.step) if scale > 1.0 else np.zeros(1)
    centre = shift / inner
    lines = [np.broadcast_to(base, (len(w), len(base)))]
    if scale > 1.0:  # the structure sits near h_a = 0 and near h_b = 0
        lines += [graded - centre, graded + centre]
    if len(kinks):
        lines += [kinks / scale_a / inner - centre, sign * kinks / scale_b / inner + centre]
    edges = np.sort(np.clip(np.concatenate(lines, axis=1), -rule.reach, rule.reach), axis=1)
    x, weight = quadrature.legendre(rule.nodes)
    half, middle = 0.5 * np.diff(edges), 0.5 * (edges[:, 1:] + edges[:, :-1])
    z = (middle[:, :, None] + half[:, :, None] * x).reshape(len(w), -1)
    weights = (half[:, :, None] * weight).reshape(len(w), -1)
    return z, weights * np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
