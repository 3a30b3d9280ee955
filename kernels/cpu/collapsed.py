"""Collapsed simulation: the joint law of everything a network does to its K inputs, without forming a weight matrix.

A Gaussian matrix W is known only along the span of what it has met. Forward, with the inputs factored X = Q R,
W X = s Z R in law with Z standard normal (n, r). Backward, W^T D = s Q_full [Z^T D ; Xi C] in law, where Q_full is Q
completed to an orthonormal basis (the product of its Householder reflections), Xi is fresh standard normal and
C^T C = D^T D: the part of W beside the inputs is independent of all that went forward, and is used once. Biases are
one more input row. For Haar-orthogonal W the same with uniformly distributed frames in the place of Z and Xi, and the
triangle of D minus its part along Z in the place of C. Exact at every width; docs/theory.md has the proof.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import uint64

from ..body.rng import COLLAPSED_BACKWARD, COLLAPSED_FORWARD
from ._compile import call, inner
from .bodies import place_of
from .completion import BACK, GRADIENTS, INPUTS, PREACTIVATIONS, keep_layer, keep_reflections
from .fill import padded
from .launch import walk_of
from .layer import finish_backward, finish_forward, scale_of, shift_by_biases, start_backward, start_forward
from .memory import empty_floats, make_walk, whole_lines
from .reflectors import NEGLIGIBLE, Columns, combine, factor, orthonormalize, project, remove_frame, unreflect
from .sums import sum_of_squares


class Tape(NamedTuple):
    """What the forward pass leaves for the backward pass, layer by layer, and scratch.

    basis (L, K * longest) and tau (L, K): the reflections that factor the layer's inputs. coordinates
    (L, K * longest): Z, or a frame for orthogonal weights. normals, block: scratch of K * longest. triangle (K, K): R
    or C. ``longest`` numbers stand between the beginnings of columns. ``record`` is that of the walk's ``Memory``.
    """

    longest: int
    basis: np.ndarray
    tau: np.ndarray
    coordinates: np.ndarray
    normals: np.ndarray
    block: np.ndarray
    triangle: np.ndarray
    tau_of_block: np.ndarray
    record: np.ndarray


@inner(allocates=True)
def _make_tape(architecture, batch, backward, record):
    layers = len(architecture.width)
    widest = 0
    for layer in range(layers):
        widest = max(widest, max(architecture.width[layer], architecture.fan_in[layer]))
    longest = whole_lines(widest + 1)  # one more row carries the biases
    kept = layers if backward else 1
    size = batch * longest
    return Tape(
        longest,
        empty_floats(kept * size).reshape((kept, size)),
        np.empty((kept, batch), np.float32),
        empty_floats(kept * size).reshape((kept, size)),
        empty_floats(size),
        empty_floats(size),
        np.empty((batch, batch), np.float32),
        np.empty(batch, np.float32),
        record,
    )


@inner
def _rows_of_inputs(layer, architecture):
    """How many rows the factored inputs have: with the row of biases, or padded to a square for orthogonal weights."""
    n_in = architecture.fan_in[layer]
    if architecture.whole:
        return max(n_in, architecture.width[layer])
    return n_in + (1 if architecture.bias_std[layer] > np.float32(0.0) else 0)


@inner
def _load_inputs(layer, architecture, space, basis, batch, rows, longest):
    n_in = architecture.fan_in[layer]
    exponent, lowering = scale_of(space, layer, architecture)
    scale = np.float32(1.0 if architecture.whole else lowering)
    below = 0.0
    if not architecture.whole and rows > n_in:
        ratio = np.float64(architecture.bias_std[layer]) / np.float64(architecture.weight_std[layer])
        below = math.ldexp(ratio, max(-1000, min(1000, -exponent)))
    for k in range(batch):
        to, at = uint64(k * longest), uint64(k * n_in)
        for i in range(uint64(n_in)):
            basis[to + i] = scale * space.x[at + i]
        for i in range(uint64(n_in), uint64(rows)):
            basis[to + i] = np.float32(below)
    return exponent


@inner
def _sign_of_copy(x, a, b, length):
    """The sign that makes x[b :] of x[a :] to the last bit, 0.0 where none does."""
    for sign in (np.float32(1.0), np.float32(-1.0)):
        i = 0
        while i < length and x[a + i] == sign * x[b + i]:
            i += 1
        if i == length:
            return sign
    return np.float32(0.0)


@inner
def _copy_equal_inputs(space, layer, architecture, triangle, r, batch):
    """h of an input that equals an earlier one, or its negative, is that one's: round-off would grow between them."""
    n_in, n = architecture.fan_in[layer], architecture.width[layer]
    lowest = np.float32(0.0 if architecture.bias_std[layer] > np.float32(0.0) else -1.0)
    for k in range(1, batch):
        if k < r and triangle[k, k] != np.float32(0.0):
            continue  # it depends on none of them
        for j in range(k):
            sign = _sign_of_copy(space.x, k * n_in, j * n_in, n_in)
            if sign != np.float32(0.0) and sign >= lowest:
                for i in range(uint64(n)):
                    space.h[uint64(k * n) + i] = sign * space.h[uint64(j * n) + i]
                break


@inner
def _multiply(walk, tape, layer, network):
    """h of a layer, biases included; returns the exponent that it carries."""
    architecture, space, batch = walk.architecture, walk.space, walk.inputs.values.shape[0]
    longest, n = tape.longest, architecture.width[layer]
    rows = _rows_of_inputs(layer, architecture)
    kept = layer if walk.backward else 0
    basis, z = tape.basis[kept], tape.coordinates[kept]
    exponent = _load_inputs(layer, architecture, space, basis, batch, rows, longest)
    r = factor(Columns(basis, np.int64(0), longest), rows, batch, tape.tau[kept], tape.triangle)
    length = rows if architecture.whole else n
    place, low = place_of(network, layer, COLLAPSED_FORWARD)
    frame = Columns(z, np.int64(0), padded(length, 4))
    call(architecture.normals, (z, length, uint64(0), r, place, low, walk.key_0, walk.key_1))
    std = architecture.weight_std[layer]
    if architecture.whole:
        orthonormalize(frame, r, length)
        std *= np.float32(math.sqrt(rows) * scale_of(space, layer, architecture)[1])
    for j in range(r):
        for k in range(j, batch):
            tape.triangle[j, k] *= std
    combine(frame, tape.triangle, r, batch, Columns(space.h, np.int64(0), n), n)
    if architecture.whole:
        shift_by_biases(space, layer, architecture, batch, exponent, network, walk.key_0, walk.key_1)
    _copy_equal_inputs(space, layer, architecture, tape.triangle, r, batch)
    return exponent


@inner
def _record_forward(walk, tape, layer, exponent):
    batch, rows = walk.inputs.values.shape[0], _rows_of_inputs(layer, walk.architecture)
    keep_reflections(
        tape.record[layer, INPUTS], tape.basis[layer], tape.tau[layer], tape.longest, rows, batch
    )  # fmt: skip
    n = walk.architecture.width[layer]
    keep_layer(tape.record[layer, PREACTIVATIONS], walk.space.h, n, exponent, batch)


@inner
def _forward(walk, tape, network, counts, row):
    start_forward(walk.space, walk.inputs)
    for layer in range(len(walk.architecture.width)):
        exponent = _multiply(walk, tape, layer, network)
        if len(tape.record) > 0:
            _record_forward(walk, tape, layer, exponent)
        finish_forward(walk, walk.space, layer, exponent, network, counts, row)


@inner
def _factor_gradients(walk, tape, layer, r, rows):
    """The triangle C of the gradients of a layer, or of what they have beside the frame of an orthogonal layer."""
    architecture, space, batch, longest = walk.architecture, walk.space, walk.inputs.values.shape[0], tape.longest
    n = architecture.width[layer]
    z = tape.coordinates[layer]
    for k in range(batch):
        to, at = uint64(k * longest), uint64(k * n)
        for i in range(uint64(n)):
            tape.block[to + i] = space.delta[at + i]
    length = n
    if architecture.whole:
        length = rows
        frame = Columns(z, np.int64(0), padded(rows, 4))
        for k in range(batch):
            for i in range(n, rows):
                tape.block[k * longest + i] = np.float32(0.0)
            remove_frame(frame, r, tape.block, k * longest, rows)
            if sum_of_squares(tape.block, k * longest, rows) <= NEGLIGIBLE * space.delta_squares[k]:
                for i in range(rows):
                    tape.block[k * longest + i] = np.float32(0.0)
    block = Columns(tape.block, np.int64(0), longest)
    found = factor(block, length, batch, tape.tau_of_block, tape.triangle)
    if len(tape.record) > 0:
        record = tape.record[layer, GRADIENTS]
        keep_reflections(record, tape.block, tape.tau_of_block, longest, length, batch)
    return found


@inner
def _back_through(walk, tape, layer, network):
    """delta of a layer into W_l^T delta, times ``weight_std`` but not its exponent, in place."""
    architecture, space, batch, longest = walk.architecture, walk.space, walk.inputs.values.shape[0], tape.longest
    n_in, n = architecture.fan_in[layer], architecture.width[layer]
    rows = _rows_of_inputs(layer, architecture)
    r = min(rows, batch)
    z = tape.coordinates[layer]
    free = _factor_gradients(walk, tape, layer, r, rows)
    beside = rows - r
    place, low = place_of(network, layer, COLLAPSED_BACKWARD)
    scale = architecture.weight_std[layer]
    if beside > 0:
        fresh = Columns(tape.normals, np.int64(0), padded(beside, 4))
        call(architecture.normals, (tape.normals, beside, uint64(0), free, place, low, walk.key_0, walk.key_1))
        if architecture.whole:
            orthonormalize(fresh, free, beside)
        combine(fresh, tape.triangle, free, batch, Columns(tape.block, r, longest), beside)
    frame = Columns(z, np.int64(0), padded(rows if architecture.whole else n, 4))
    block = Columns(tape.block, np.int64(0), longest)
    project(frame, r, Columns(space.delta, np.int64(0), n), batch, n, block)
    unreflect(Columns(tape.basis[layer], np.int64(0), longest), rows, r, tape.tau[layer], block, batch)
    if architecture.whole:
        scale *= np.float32(math.sqrt(rows))
    for k in range(batch):
        to, at = uint64(k * n_in), uint64(k * longest)
        for i in range(uint64(n_in)):
            space.delta[to + i] = scale * tape.block[at + i]


@inner
def _backward(walk, tape, network, counts, row):
    last = len(walk.architecture.width) - 1
    batch = walk.inputs.values.shape[0]
    start_backward(walk.space, walk.architecture, batch, network, walk.key_0, walk.key_1)
    finish_backward(walk, last, np.int64(0), network, counts, row)
    for layer in range(last, 0, -1):
        _back_through(walk, tape, layer, network)
        exponent = walk.space.delta_exponent[0] + walk.architecture.weight_exponent[layer]
        if len(tape.record) > 0:
            n_in = walk.architecture.fan_in[layer]
            keep_layer(tape.record[layer, BACK], walk.space.delta, n_in, exponent, batch)
        finish_backward(walk, layer - 1, exponent, network, counts, row)


@inner(allocates=True)
def _start(steps, block, lane):
    this = make_walk(steps, block)
    return this, _make_tape(block.architecture, block.inputs.values.shape[0], this.backward, block.memory.record)


# Normal or orthogonal weights only, and for the latter at most half as many inputs as the narrowest layer is wide. One
# input through normal weights has a walk of its own: ``one_input``.
walk = walk_of("collapsed", _start, _forward, _backward)
