"""The chain of norms: O(1) numbers a layer for the joint law of all second moments, one input, no biases.

For phi(h) = h above zero and a h below, the signs of a layer's preactivations are fair coins and the rest of the
network sees only norms: |h_l|^2 splits into chi-squares of the active and the other units, and going back
delta . h is conserved (Euler), so that the gradient's part along x_l is known and the rest is fresh.
docs/theory.md derives it; exact at every width.

What it leaves in the place of sums are means over the units, of norms alone: ``FILLED``.
Squares carry an even power of two, which changes only where they leave the middle of float64.
"""

import math

import numpy as np

from ..body import chain as body
from ..body import rng
from ..body.rng import CHAIN
from ..recorded import D_PRODUCT, D_TWO, H_TWO, X_TWO
from ._compile import compile_body, inner
from .bodies import key_of, place_of
from .sums import D_EXPONENT, H_EXPONENT, IN_EXPONENT, X_EXPONENT
from .turns import clear, first_turn, next_turn, store

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


@inner
def _forward(network, architecture, squares, exponents, slope, above, below, heads, key_0, key_1, row):
    """Sums of squares of h and x of every layer.

    ``squares[l]`` is |x_l|^2 and ``above`` and ``below`` its two parts, all times 4**exponents[l].
    """
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
def _backward(network, architecture, squares, exponents, slope, above, below, heads, key_0, key_1, row):
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


def walk(lane, counter, share, steps, address, architecture, inputs, nonlinearity, counting, memory, rows, counts):
    """The networks of a block that this thread takes, one after the other (see ``lanes.simulate``).

    One input, no biases, normal weights, phi with one slope on each side; only second moments are filled.
    """
    layers = len(architecture.width)
    key_0, key_1 = key_of(address.seed)
    slope = -np.float64(nonlinearity.asymptotes[0, 0])
    squares, above, below = np.empty(layers + 1), np.empty(layers), np.empty(layers)
    heads, exponents = np.empty(layers, np.int64), np.empty(layers + 1, np.int64)
    squares[0] = 0.0
    for value in inputs.values[0]:
        squares[0] += np.float64(value) ** 2
    exponents[0] = inputs.exponent
    row = np.empty((rows.shape[0], rows.shape[2]))
    i = first_turn(counter, share)
    while i < rows.shape[1]:
        network = address.first + i
        clear(row)
        _forward(network, architecture, squares, exponents, slope, above, below, heads, key_0, key_1, row)
        if memory.backward:
            _backward(network, architecture, squares, exponents, slope, above, below, heads, key_0, key_1, row)
        store(row, rows, i)
        i = next_turn(i, counter, share)
