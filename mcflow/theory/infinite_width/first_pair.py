"""Two inputs in layer 1 where h_1 is not Gaussian: E[phi(h_a) phi(h_b)] of two sums that share their weights."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from mcflow.distributions import NORMAL, UNIFORM
from mcflow.mean_field.evaluation import evaluate
from mcflow.mean_field.quadrature import Array
from mcflow.theory.infinite_width import first_layer
from mcflow.theory.infinite_width.first_layer import term, window
from mcflow.theory.stack import Stack

POINTS = 512  # of the grid in each direction
SMOOTHED = 1.2  # spacings; as in layer 1's own law
REACH = 9.0  # standard deviations of h
COLLINEAR = 1e-12  # of 1 - |cosine|: below it one input is a multiple of the other

Wave = Callable[[Array], Array]


def products(stack: Stack) -> Array:
    """(followed pair,) E[phi(h_a) phi(h_b)] in layer 1, to about 1e-5 of its size; exact for collinear inputs."""
    return np.array([_product(stack, a, b) for a, b in stack.pairs.index[stack.pairs.followed].tolist()])


def _product(stack: Stack, a: int, b: int) -> float:
    assert stack.amplitude is not None
    left, right = stack.amplitude[a], stack.amplitude[b]
    bias = float(stack.bias_variance[0])
    size = float(left @ left), float(right @ right)
    cosine = float(left @ right) / math.sqrt(size[0] * size[1])
    same = math.isclose(size[0], size[1], rel_tol=COLLINEAR) and cosine > 0
    if 1.0 - abs(cosine) < COLLINEAR and (same or bias == 0):
        of = first_layer.law(stack.distribution, np.abs(left), bias, stack.uniform_bias)
        h, weights = of.nodes(stack.activation.kinks)
        scale = math.copysign(math.sqrt(size[1] / size[0]), cosine)
        return float(weights @ (evaluate(stack.activation, h)[0] * evaluate(stack.activation, scale * h)[0]))
    sizes = np.stack([left, right])
    waves = [term(stack.distribution)] * sizes.shape[1]
    if bias > 0:
        sizes = np.concatenate([sizes, np.full((2, 1), math.sqrt(bias))], axis=1)
        waves.append(term(UNIFORM if stack.uniform_bias else NORMAL))
    joint, h_a, h_b = _joint(sizes, waves)
    return float(evaluate(stack.activation, h_a)[0] @ joint @ evaluate(stack.activation, h_b)[0])


def _joint(sizes: Array, waves: list[tuple[Wave, float]]) -> tuple[Array, Array, Array]:
    """(node a, node b) probabilities of a grid and the nodes of both directions, by a Fourier sum.

    ``sizes`` (2, term) are what each term, of variance 1, is multiplied by in the two sums.
    """
    from scipy.fft import irfft2

    whole = np.abs(sizes) @ np.array([bound for _, bound in waves])
    reach = np.minimum(1.05 * whole, REACH * np.sqrt(np.sum(sizes**2, axis=1)))
    spacing = 2.0 * reach / POINTS
    nodes = -reach[:, None] + spacing[:, None] * (np.arange(POINTS) + 0.5)
    t = math.pi / reach[0] * np.fft.fftfreq(POINTS, 1.0 / POINTS)[:, None]
    u = math.pi / reach[1] * np.fft.rfftfreq(POINTS, 1.0 / POINTS)[None, :]
    wave = window(SMOOTHED * np.hypot(spacing[0] * t, spacing[1] * u))
    for (x, y), (of_term, _) in zip(sizes.T.tolist(), waves, strict=True):
        wave = wave * of_term(x * t + y * u)
    turned = wave * np.exp(1j * (t * nodes[0, 0] + u * nodes[1, 0]))
    return np.asarray(irfft2(turned, (POINTS, POINTS)), dtype=np.float64), nodes[0], nodes[1]
