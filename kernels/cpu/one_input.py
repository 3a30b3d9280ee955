"""Collapsed simulation of one input through normal weights: the law of ``collapsed.py`` in as few passes as it takes.

For one input the basis is its direction u = x / |x|: forward h = s |x| z, with z standard normal, and backward
s (|delta| (g - u (u . g)) + u (z . delta)), with n fresh normals g of which the part along u is taken away. Nothing
is factored, and a unit's number needs that unit's g and x alone. Biases are one more entry of x, whose g is the first
number of row 1.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import uint64

from ..body.rng import COLLAPSED_BACKWARD, COLLAPSED_FORWARD
from ._compile import call, inner
from .bodies import place_of
from .completion import BACK, INPUTS, PREACTIVATIONS, keep, keep_layer
from .launch import walk_of
from .layer import finish_backward, finish_forward, record_backward, scale_of, start_backward, start_forward
from .memory import empty_floats, make_walk, whole_lines
from .tuples import Space
from .vectors import dot


class Tape(NamedTuple):
    """What the forward pass leaves for the backward pass, float32 rows of one length; ``normals`` is scratch.

    x[l]: activations of layer l = 0..L, the inputs first. z[l]: coordinates of layer l + 1. Without a backward pass
    there is one row of each. ``record`` is that of the walk's ``Memory``.
    """

    x: np.ndarray
    z: np.ndarray
    normals: np.ndarray
    record: np.ndarray


class Direction(NamedTuple):
    """That of a layer's input with its entry for the biases, ``norm`` long where h carries ``exponent``.

    u is ``factor`` times x, and then ``last``; both are 0 where the input is zero.
    """

    exponent: int
    norm: float
    factor: float
    last: float


@inner(allocates=True)
def _make_tape(architecture, backward, record):
    widest = 0
    for layer in range(len(architecture.width)):
        widest = max(widest, max(architecture.width[layer], architecture.fan_in[layer]))
    longest = whole_lines(widest + 3)
    kept = len(architecture.width) if backward else 1
    rows = kept + 1 if backward else 1
    return Tape(
        empty_floats(rows * longest).reshape((rows, longest)),
        empty_floats(kept * longest).reshape((kept, longest)),
        empty_floats(longest),
        record,
    )


@inner
def _direction_of(space, layer, architecture):
    """The direction of a layer's input."""
    exponent, lowering = scale_of(space, layer, architecture)
    below = 0.0
    if architecture.bias_std[layer] > np.float32(0.0):
        ratio = np.float64(architecture.bias_std[layer]) / np.float64(architecture.weight_std[layer])
        below = math.ldexp(ratio, max(-1000, min(1000, -exponent)))
    norm = math.sqrt(lowering * lowering * space.x_squares[layer, 0] + below * below)
    inverse = 0.0 if norm == 0.0 else 1.0 / norm
    return Direction(exponent, norm, lowering * inverse, below * inverse)


@inner(sums=True)
def _combine(delta, normals, x, slope, of_normals, of_x, length):
    """delta = (of_normals normals + of_x x) slope; returns its sum of squares."""
    total = 0.0
    for i in range(uint64(length)):
        value = (of_normals * normals[i] + of_x * x[i]) * slope[i]
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
def _record_forward(walk, tape, layer, direction):
    """The input with its entry for the biases, in one scale, and h."""
    n_in, n = walk.architecture.fan_in[layer], walk.architecture.width[layer]
    inputs = tape.record[layer, INPUTS]
    keep(inputs, tape.x[layer], np.int64(0), n_in, 1)
    for i in range(n_in):
        inputs[0, i] = np.float32(direction.factor * np.float64(inputs[0, i]))
    inputs[0, n_in] = np.float32(direction.last)
    keep_layer(tape.record[layer, PREACTIVATIONS], walk.space.h, n, direction.exponent, 1)


@inner
def _forward(walk, tape, network, counts, row):
    architecture, space = walk.architecture, walk.space
    start_forward(_with_x(space, tape.x[0]), walk.inputs)
    for layer in range(len(architecture.width)):
        n = architecture.width[layer]
        z, x = tape.z[layer if walk.backward else 0], tape.x[layer + 1 if walk.backward else 0]
        direction = _direction_of(space, layer, architecture)
        place, low = place_of(network, layer, COLLAPSED_FORWARD)
        call(architecture.normals, (z, n, uint64(0), 1, place, low, walk.key_0, walk.key_1))
        factor = np.float32(direction.norm) * architecture.weight_std[layer]
        for i in range(uint64(n)):
            space.h[i] = factor * z[i]
        if len(tape.record) > 0:
            _record_forward(walk, tape, layer, direction)
        finish_forward(walk, _with_x(space, x), layer, direction.exponent, network, counts, row)


@inner
def _normal_along(walk, tape, layer, network, direction):
    """u . g; leaves g in ``tape.normals``."""
    architecture, normals, n_in = walk.architecture, tape.normals, walk.architecture.fan_in[layer]
    place, low = place_of(network, layer, COLLAPSED_BACKWARD)
    call(architecture.normals, (normals, n_in, uint64(0), 1, place, low, walk.key_0, walk.key_1))
    along = direction.factor * np.float64(dot(tape.x[layer], 0, normals, 0, n_in))
    if architecture.bias_std[layer] > np.float32(0.0):
        of_biases = walk.space.bias  # which are not made otherwise here
        call(architecture.normals, (of_biases, 1, uint64(1), 1, place, low, walk.key_0, walk.key_1))
        along += direction.last * np.float64(of_biases[0])
    return along


@inner
def _back_through(walk, tape, layer, network):
    """delta of a layer into phi' W^T delta of the one below, in place; its exponent lacks that of the weights."""
    architecture, space, x = walk.architecture, walk.space, tape.x[layer]
    n_in, delta = architecture.fan_in[layer], space.delta
    direction = _direction_of(space, layer, architecture)
    along = np.float64(dot(tape.z[layer], 0, delta, 0, architecture.width[layer]))
    size = math.sqrt(space.delta_squares[0])
    along -= size * _normal_along(walk, tape, layer, network, direction)
    std = np.float64(architecture.weight_std[layer])
    of_normals, of_x = np.float32(std * size), np.float32(std * along * direction.factor)
    if len(tape.record) > 0:
        back = tape.record[layer, BACK]
        keep_layer(back, tape.normals, n_in, space.delta_exponent[0] + architecture.weight_exponent[layer], 1)
        for i in range(n_in):
            back[0, i] = of_normals * back[0, i] + of_x * x[i]
    space.delta_squares[0] = _combine(delta, tape.normals, x, space.slope[layer - 1], of_normals, of_x, n_in)


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
    return this, _make_tape(block.architecture, this.backward, block.memory.record)


walk = walk_of("one_input", _start, _forward, _backward)  # one input and normal weights only
