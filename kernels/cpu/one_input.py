"""Collapsed simulation of one input through normal weights: the law of ``collapsed.py`` in as few passes as it takes.

For one input the basis is one reflection, H = 1 - tau v v^T with v = (1, x_2 / (x_1 - beta), ...), and the triangle is
beta = -|x|. The norms are known from the statistics, so nothing is factored or copied: h = s beta z forward,
and backward s H (z . delta, |delta| normals) is one multiple of the normals minus one multiple of x. The same numbers
at the same addresses as in ``collapsed.py``. Biases are one more entry of x.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import uint64

from ..body.rng import COLLAPSED_BACKWARD, COLLAPSED_FORWARD
from ._compile import call, inner
from .bodies import place_of
from .launch import walk_of
from .layer import finish_backward, finish_forward, record_backward, scale_of, start_backward, start_forward
from .memory import empty_floats, make_walk, whole_lines
from .reflectors import reflection_of
from .sums import sum_of_squares
from .tuples import Space
from .vectors import dot


class Tape(NamedTuple):
    """What the forward pass leaves for the backward pass, float32 rows of one length; ``normals`` is scratch.

    x[l]: activations of layer l = 0..L, the inputs first. z[l]: coordinates of layer l + 1. Without a backward pass two
    rows of x are used in turn, and one of z.
    """

    x: np.ndarray
    z: np.ndarray
    normals: np.ndarray


class Reflection(NamedTuple):
    """H of a layer's input: ``norm`` is beta; v has 1, then ``factor`` times x, then ``last`` for the biases."""

    rows: int
    exponent: int
    norm: float
    tau: float
    factor: float
    last: float


@inner(allocates=True)
def _make_tape(architecture, backward):
    widest = 0
    for layer in range(len(architecture.width)):
        widest = max(widest, max(architecture.width[layer], architecture.fan_in[layer]))
    longest = whole_lines(widest + 4)
    kept = len(architecture.width) if backward else 1
    return Tape(
        empty_floats((kept + 1) * longest).reshape((kept + 1, longest)),
        empty_floats(kept * longest).reshape((kept, longest)),
        empty_floats(longest),
    )


@inner
def _reflection(x, space, layer, architecture):
    """The reflection that takes a layer's input, with its entry for the biases, to (beta, 0, ..., 0)."""
    n_in = architecture.fan_in[layer]
    exponent, lowering = scale_of(space, layer, architecture)
    below, rows = 0.0, n_in
    if architecture.bias_std[layer] > np.float32(0.0):
        ratio = np.float64(architecture.bias_std[layer]) / np.float64(architecture.weight_std[layer])
        below, rows = math.ldexp(ratio, max(-1000, min(1000, -exponent))), n_in + 1
    lead = lowering * np.float64(x[0])
    square = lowering * lowering * space.x_squares[layer, 0] + below * below
    beside = square - lead * lead
    if beside <= 1e-9 * square:  # round-off alone cannot tell it from zero
        beside = lowering * lowering * sum_of_squares(x, 1, n_in - 1) + below * below
    beta, tau, inverse = reflection_of(lead, beside, 0.0)
    return Reflection(rows, exponent, beta, tau, lowering * inverse, below * inverse)


@inner(sums=True)
def _combine(delta, normals, x, slope, of_normals, of_x, length):
    """delta_i = (of_normals normals_(i-1) + of_x x_i) slope_i for i >= 1; returns their sum of squares."""
    total = 0.0
    for i in range(uint64(1), uint64(length)):
        value = (of_normals * normals[i - uint64(1)] + of_x * x[i]) * slope[i]
        delta[i] = value
        v = np.float64(value)
        total += v * v
    return total


@inner
def _with_x(space, x):
    """The same space with another place for the activations."""
    return Space(
        space.h, x, space.delta, space.delta_exponent, space.delta_squares, space.slope, space.slope_exponent,
        space.x_exponent, space.x_squares, space.bias, space.direction,
    )  # fmt: skip


@inner
def _forward(walk, tape, network, counts, row):
    architecture, space = walk.architecture, walk.space
    start_forward(_with_x(space, tape.x[0]), walk.inputs)
    for layer in range(len(architecture.width)):
        n = architecture.width[layer]
        below, above = (layer, layer + 1) if walk.backward else (layer % 2, (layer + 1) % 2)
        z = tape.z[layer if walk.backward else 0]
        reflection = _reflection(tape.x[below], space, layer, architecture)
        place, low = place_of(network, layer, COLLAPSED_FORWARD)
        call(architecture.normals, (z, n, uint64(0), 1, place, low, walk.key_0, walk.key_1))
        factor = np.float32(reflection.norm) * architecture.weight_std[layer]
        for i in range(uint64(n)):
            space.h[i] = factor * z[i]
        finish_forward(walk, _with_x(space, tape.x[above]), layer, reflection.exponent, network, counts, row)


@inner
def _back_through(walk, tape, layer, network):
    """delta of a layer into phi' W^T delta of the one below, in place; its exponent lacks that of the weights."""
    architecture, space = walk.architecture, walk.space
    n_in, n = architecture.fan_in[layer], architecture.width[layer]
    x, normals, slope, delta = tape.x[layer], tape.normals, space.slope[layer - 1], space.delta
    reflection = _reflection(x, space, layer, architecture)
    first = np.float64(dot(tape.z[layer], 0, delta, 0, n))
    size = math.sqrt(space.delta_squares[0])
    beside = reflection.rows - 1
    if beside > 0:
        place, low = place_of(network, layer, COLLAPSED_BACKWARD)
        call(architecture.normals, (normals, beside, uint64(0), 1, place, low, walk.key_0, walk.key_1))
    along = first
    if beside > 0:
        along += size * reflection.factor * np.float64(dot(x, 1, normals, 0, n_in - 1))
        if reflection.rows > n_in:
            along += size * reflection.last * np.float64(normals[n_in - 1])
    along *= reflection.tau
    std = np.float64(architecture.weight_std[layer])
    of_normals, of_x = np.float32(std * size), np.float32(-std * along * reflection.factor)
    total = _combine(delta, normals, x, slope, of_normals, of_x, n_in)
    delta[0] = np.float32(std * (first - along)) * slope[0]
    space.delta_squares[0] = total + np.float64(delta[0]) * np.float64(delta[0])


@inner
def _backward(walk, tape, network, counts, row):
    last = len(walk.architecture.width) - 1
    start_backward(walk.space, walk.architecture, 1, network, walk.key_0, walk.key_1)
    finish_backward(walk, last, np.int64(0), network, counts, row)
    for layer in range(last, 0, -1):
        _back_through(walk, tape, layer, network)
        exponent = walk.space.delta_exponent[0] + walk.architecture.weight_exponent[layer]
        record_backward(walk, layer - 1, exponent, network, counts, row)


@inner(allocates=True)
def _start(steps, block, lane):
    this = make_walk(steps, block)
    return this, _make_tape(block.architecture, this.backward)


walk = walk_of("one_input", _start, _forward, _backward)  # one input and normal weights only
