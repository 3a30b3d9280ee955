"""The chain of norms: O(1) numbers a layer for the joint law of all second moments, one input, no biases.

For phi(h) = h above zero and a h below, the signs of a layer's preactivations are fair coins and the rest of the
network sees only norms: |h_l|^2 splits into chi-squares of the active and the other units, and going back
delta . h is conserved (Euler), so that the gradient's part along x_l is known and the rest is fresh.
docs/theory.md derives it; exact at every width.

What it leaves in the place of sums are means over the units, of norms alone: ``FILLED``.
Squares carry an even power of two, which changes only where they leave the middle of float64.
"""

import math
from typing import NamedTuple

import numpy as np

from ..body import chain as body
from ..body import rng
from ..body.rng import CHAIN
from ..recorded import D_PRODUCT, D_TWO, H_TWO, X_TWO
from ._compile import compile_body, inner
from .bodies import key_of, place_of
from .launch import walk_of
from .sums import D_EXPONENT, H_EXPONENT, IN_EXPONENT, X_EXPONENT
from .tuples import Architecture

_compiled = compile_body(rng, body)
chi_square, fair_coins, normal_deviate = _compiled.chi_square, _compiled.fair_coins, _compiled.normal_deviate

FILLED = (H_TWO, X_TWO, D_TWO, D_PRODUCT)
# Which variate of a layer: the row of its address.
COINS, ABOVE, BELOW, ACROSS, BACK_ABOVE, BACK_BELOW, TOP_ABOVE, TOP_BELOW = range(8)
# Squares are rescaled when they leave 2^+-300: products of two, and of widths and variances, stay inside float64.
LARGEST_SQUARE, SMALLEST_SQUARE = 2.0**300, 2.0**-300


@inner
def _centring(square):
    """Half the exponent by which a positive square lies outside the middle of float64; 0 where it does not."""
    if square == 0.0 or SMALLEST_SQUARE < square < LARGEST_SQUARE:
        return 0
    return (math.frexp(square)[1] - 1) // 2


@inner
def _shifted(value, exponent):
    return value if exponent == 0 else math.ldexp(value, max(-4000, min(4000, exponent)))


class Chain(NamedTuple):
    """What stays the same over the networks of a block; ``slope`` is that of phi below zero."""

    architecture: Architecture
    slope: float
    key_0: np.uint64
    key_1: np.uint64


class Norms(NamedTuple):
    """What the forward pass leaves for the backward pass.

    ``squares[l]`` (L + 1,) is |x_l|^2 and ``above`` and ``below`` (L,) its two parts, all times 4**exponents[l];
    ``heads`` (L,) counts the units above zero.
    """

    squares: np.ndarray
    exponents: np.ndarray
    above: np.ndarray
    below: np.ndarray
    heads: np.ndarray


@inner
def _forward(chain, norms, network, counts, row):
    """Sums of squares of h and x of every layer."""
    architecture, slope, key_0, key_1 = chain
    squares, exponents, above, below, heads = norms
    for layer in range(len(architecture.width)):
        n = architecture.width[layer]
        place, low = place_of(network, layer, CHAIN)
        std = np.float64(architecture.weight_std[layer])
        variance = std * std * squares[layer]
        exponent = exponents[layer] + architecture.weight_exponent[layer]
        # nothing arrives at a dead layer: h = 0, and phi'(0) is the slope below zero
        k = fair_coins(n, COINS, place, low, key_0, key_1) if variance > 0.0 else 0
        positive = variance * chi_square(k, ABOVE, place, low, key_0, key_1)
        negative = variance * chi_square(n - k, BELOW, place, low, key_0, key_1)
        heads[layer], above[layer], below[layer] = k, positive, slope * slope * negative
        row[H_TWO, layer], row[H_EXPONENT, layer] = (positive + negative) / n, exponent
        shift = _centring(above[layer] + below[layer])
        above[layer] = _shifted(above[layer], -2 * shift)
        below[layer] = _shifted(below[layer], -2 * shift)
        squares[layer + 1], exponents[layer + 1] = above[layer] + below[layer], exponent + shift
        row[X_TWO, layer], row[X_EXPONENT, layer] = squares[layer + 1] / n, exponent + shift


@inner
def _backward(chain, norms, network, counts, row):
    architecture, slope, key_0, key_1 = chain
    squares, exponents, above, below, heads = norms
    last = len(architecture.width) - 1
    # |delta_(l+1)|^2 times 4**exponent, and delta . h, the same for all layers, times 2**exponents[L]
    gradient, exponent, along = 0.0, 0, 0.0
    for layer in range(last, -1, -1):
        n, k = architecture.width[layer], heads[layer]
        place, low = place_of(network, layer, CHAIN)
        p, m = above[layer], below[layer]
        if layer == last:  # v ~ N(0, 1) in every direction
            variance = 1.0
            a = normal_deviate(TOP_ABOVE, place, low, key_0, key_1) if k > 0 else 0.0
            b = normal_deviate(TOP_BELOW, place, low, key_0, key_1) if k < n else 0.0
            along = math.sqrt(p) * a + math.sqrt(m) * b
        else:
            std = np.float64(architecture.weight_std[layer + 1])
            variance = std * std * gradient
            exponent += architecture.weight_exponent[layer + 1]
            size = p + m
            if size == 0.0:
                a, b = 0.0, 0.0
            else:
                e = _shifted(along / math.sqrt(size), exponents[last + 1] - exponents[layer + 1] - exponent)
                cosine, sine = math.sqrt(p / size), math.sqrt(m / size)
                t = 0.0
                if 0 < k < n:
                    t = math.sqrt(variance) * normal_deviate(ACROSS, place, low, key_0, key_1)
                a, b = cosine * e - sine * t, sine * e + cosine * t
        square = a * a + variance * chi_square(k - 1, BACK_ABOVE, place, low, key_0, key_1)
        other = b * b + variance * chi_square(n - k - 1, BACK_BELOW, place, low, key_0, key_1)
        gradient = (square if k > 0 else 0.0) + (slope * slope * other if k < n else 0.0)
        row[D_TWO, layer], row[D_PRODUCT, layer] = gradient / n, gradient / n * squares[layer]
        row[D_EXPONENT, layer], row[IN_EXPONENT, layer] = exponent, exponents[layer]
        shift = _centring(gradient)
        gradient = _shifted(gradient, -2 * shift)
        exponent += shift


@inner(allocates=True)
def _start(steps, block, lane):
    architecture, layers = block.architecture, len(block.architecture.width)
    key_0, key_1 = key_of(block.address.seed)
    slope = -np.float64(block.nonlinearity.asymptotes[0, 0])
    squares, exponents = np.empty(layers + 1), np.empty(layers + 1, np.int64)
    norms = Norms(squares, exponents, np.empty(layers), np.empty(layers), np.empty(layers, np.int64))
    norms.squares[0] = 0.0
    for value in block.inputs.values[0]:
        norms.squares[0] += np.float64(value) ** 2
    norms.exponents[0] = block.inputs.exponent
    return Chain(architecture, slope, key_0, key_1), norms


# One input, no biases, normal weights, phi with one slope on each side; only second moments are filled.
walk = walk_of("chain", _start, _forward, _backward)
