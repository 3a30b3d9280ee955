"""Normals as a GPU makes them, by its instructions for log2 and the root, with the largest errors its manual allows.

No GPU is needed: exact normals are moved by those errors, all of one sign or at random, and so are the networks that
are made of them. See docs/cuda.md for the bounds.
"""

import math

import numpy as np
import pytest
from scipy import stats

# PTX ISA 9.1, sections 9.7.3.16, .18, .19, .20: of rsqrt relative, of sin and cos absolute, of lg2 absolute in (1/2, 2)
# and relative elsewhere. A product rounds by 2^-24.
ROOT, SINE, LOG2 = 2.0**-22.9, 2.0**-20.5, 2.0**-22
ROUNDING = 2.0**-24
PROMISED = 1e-4


def pairs(generator, shape):
    """Uniforms in (0, 1] and angles, as Box & Muller take them."""
    words = generator.integers(0, 1 << 32, shape, np.uint64)
    return (words | 1) / 2.0**32, 2.0 * np.pi * generator.random(shape)


def normals(u, angle, side=0.0, sine_side=0.0):
    """Box & Muller's pairs; ``side`` and ``sine_side`` times the largest error are added to radius and sines."""
    square = -2.0 * np.log(u)
    error = np.where(u > 0.5, 2.0 * math.log(2.0) * LOG2, LOG2 * square) + 1.25 * ROUNDING * square
    radius = np.sqrt(np.maximum(square + side * error, 0.0)) * (1.0 + side * (ROOT + ROUNDING))
    sines = np.stack([np.cos(angle), np.sin(angle)], -1)
    sines = sines + sine_side * SINE * np.sign(sines)
    return (radius[..., None] * sines).reshape(*u.shape[:-1], -1)


def second_moments(weights, x, v):
    """Second moments of preactivations and gradients of a ReLU network, layer by layer."""
    forward, slopes, backward = [], [], []
    for w in weights:
        h = w @ x
        slopes.append(h > 0)
        x = np.maximum(h, 0.0)
        forward.append(np.mean(h * h))
    delta = v
    for w, slope in zip(reversed(weights), reversed(slopes), strict=True):
        delta = delta * slope
        backward.append(np.mean(delta * delta))
        delta = w.T @ delta
    return np.array([forward, backward])


def largest_change(side, sine_side=0.0, depth=50, width=128):
    """The largest relative change of a second moment of one network; a side of None is drawn for each number."""
    generator = np.random.default_rng(9)
    layers = [pairs(generator, (width, width // 2)) for _ in range(depth)]
    std = math.sqrt(2.0 / width)
    x, v = generator.standard_normal((2, width))
    moved = []
    for u, angle in layers:
        own = generator.uniform(-1.0, 1.0, u.shape) if side is None else side
        moved.append(std * normals(u, angle, own, sine_side))
    exact = second_moments([std * normals(*layer) for layer in layers], x, v)
    return np.abs(second_moments(moved, x, v) / exact - 1.0).max()


def test_a_normal_moves_by_no_more_than_stated():
    u = np.concatenate([np.arange(1, 1000) / 2.0**32, np.linspace(1e-6, 1.0, 100_000), 1.0 - np.arange(1000) / 2.0**32])
    angle = np.zeros_like(u)
    radius = normals(u, angle)[::2]
    for side in (-1.0, 1.0):
        change = np.abs(normals(u, angle, side)[::2] - radius)
        assert change.max() < 6.5e-4
        assert change[radius > 0.1].max() < 2.5e-6
        assert change[radius > 1.0].max() < 2.5e-6
        assert (change[radius > 1.2] < 3.6e-7 * radius[radius > 1.2]).all()


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_moments_and_law_stay_the_normal_ones(side):
    u, angle = pairs(np.random.default_rng(5), 2_000_000)
    exact, found = normals(u, angle), normals(u, angle, side)
    for p, variance in ((2, 2.0), (4, 96.0)):
        change = np.mean(found**p) / np.mean(exact**p) - 1.0
        assert abs(change) < p / 2 * 8e-7
        z = (np.mean(found**p) - math.prod(range(1, p, 2))) / math.sqrt(variance / len(found))
        assert abs(z) <= 5
    assert stats.kstest(found, "norm").pvalue > 1e-6
    assert stats.kstest(1.02 * found, "norm").pvalue < 1e-6


@pytest.mark.parametrize("side", [-1.0, 1.0, None])
def test_depth_fifty_keeps_the_promise_even_if_every_error_is_the_largest(side):
    assert largest_change(side) < PROMISED / 2


def test_instructions_for_sine_and_cosine_could_break_the_promise():
    assert largest_change(1.0, 1.0) > PROMISED
