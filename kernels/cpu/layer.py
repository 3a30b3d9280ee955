"""The two passes of one network, but for the products with its weights: what direct and collapsed simulation share."""

import math

import numpy as np
from numba import uint64

from ..body.rng import BIASES, OUTPUT_GRADIENT
from ..recorded import (
    ACTIVE,
    D_COSINES,
    D_PRODUCT,
    D_TWO,
    H_COSINES,
    SATURATED,
    X_FOUR,
    X_ONE,
    X_SIZE,
    X_TWO,
)
from ._compile import call, call_unit, inner, unit_for
from .bodies import place_of
from .nonlinearity import activate, active_and_saturated, carry_small_slopes
from .sums import (
    D_EXPONENT,
    IN_EXPONENT,
    LAST_EXPONENT,
    X_EXPONENT,
    activation_statistics,
    count,
    exponent_of,
    preactivation_statistics,
    rescale,
    squared_directions,
    sum_of_squares,
)
from .tuples import Setting, Space, Steps
from .vectors import add

# A gradient is rescaled when its root mean square leaves 2^+-30.
GRADIENT_EXPONENT = 30
# Activations are rescaled when their mean square falls below it: divisions by their norm must stay inside float32.
_LEAST_SQUARE = 2.0**-80
# Biases of up to 2^40 times the scale are carried in it: float32 holds their square, and W x is far below.
HIGHEST_BIAS = 40


@inner
def _setting_of(walk):
    return Setting(walk.inputs, walk.nonlinearity, walk.counting, walk.backward)


@inner
def finish_forward(walk, space, layer, exponent, network, counts, row):
    """From h of a layer in ``space``, which carries ``exponent``, to x, phi' and all that is recorded of them."""
    n = walk.architecture.width[layer]
    call_unit(walk.steps.forward, (space, _setting_of(walk), layer, n, exponent, network, counts, row))


@inner
def finish_backward(walk, layer, exponent, network, counts, row):
    """delta *= phi' in ``walk.space``, where delta carries ``exponent``, and all that is recorded of it."""
    space, n = walk.space, walk.architecture.width[layer]
    slope = space.slope[layer]
    for k in range(walk.inputs.values.shape[0]):
        at = uint64(k * n)
        for i in range(uint64(n)):
            space.delta[at + i] = space.delta[at + i] * slope[at + i]
        space.delta_squares[k] = sum_of_squares(space.delta, k * n, n)
    record_backward(walk, layer, exponent, network, counts, row)


@inner
def record_backward(walk, layer, exponent, network, counts, row):
    """All that is recorded of delta in ``walk.space``, which carries ``exponent`` before that of phi'."""
    n = walk.architecture.width[layer]
    call_unit(walk.steps.backward, (walk.space, _setting_of(walk), layer, n, exponent, network, counts, row))


@inner
def start_forward(space, inputs):
    """x_0: the inputs."""
    batch, n = inputs.values.shape
    for k in range(batch):
        for i in range(n):
            space.x[k * n + i] = inputs.values[k, i]
        space.x_squares[0, k] = sum_of_squares(space.x, k * n, n)
    space.x_exponent[0] = inputs.exponent


@inner
def scale_of(space, layer, architecture):
    """The exponent that h of a layer carries, and 2**-lift that W x is to be multiplied by to be in that scale.

    It is that of W x, unless the biases tower so high above it that they would leave float32 there.
    """
    exponent = space.x_exponent[layer] + architecture.weight_exponent[layer]
    bias = np.float64(architecture.bias_std[layer])
    if bias > 0.0:
        least = math.frexp(bias)[1] - HIGHEST_BIAS
        if exponent < least:
            return least, math.ldexp(1.0, max(-1000, exponent - least))
    return exponent, 1.0


@inner
def _make_biases(space, layer, architecture, exponent, network, key_0, key_1):
    """The biases of a layer into ``space.bias``, times 2**-exponent: in the scale that the preactivations carry."""
    n = architecture.width[layer]
    place, low = place_of(network, layer, BIASES)
    call(architecture.biases, (space.bias, n, uint64(0), 1, place, low, key_0, key_1))
    scale = np.float32(math.ldexp(np.float64(architecture.bias_std[layer]), max(-1000, min(1000, -exponent))))
    for i in range(uint64(n)):
        space.bias[i] = scale * space.bias[i]


@inner
def shift_by_biases(space, layer, architecture, batch, exponent, network, key_0, key_1):
    """h += b where the layer has biases, in the scale 2^exponent that h carries."""
    if architecture.bias_std[layer] > np.float32(0.0):
        n = architecture.width[layer]
        _make_biases(space, layer, architecture, exponent, network, key_0, key_1)
        for k in range(batch):
            add(space.h, k * n, space.bias, np.int64(0), np.float32(1.0), n)


@inner
def scale_and_shift(space, layer, architecture, batch, network, key_0, key_1):
    """h = std h + b of a layer, in place; returns the exponent that h carries."""
    n = architecture.width[layer]
    exponent, lowering = scale_of(space, layer, architecture)
    std = np.float32(architecture.weight_std[layer] * lowering)
    if architecture.bias_std[layer] == np.float32(0.0):
        for i in range(uint64(batch * n)):
            space.h[i] = std * space.h[i]
        return exponent
    _make_biases(space, layer, architecture, exponent, network, key_0, key_1)
    for k in range(batch):
        at = uint64(k * n)
        for i in range(uint64(n)):
            space.h[at + i] = std * space.h[at + i] + space.bias[i]
    return exponent


def _finish_forward(space, setting, layer, n, exponent, network, counts, row):
    """The unit behind ``finish_forward``."""
    inputs, nonlinearity, counting, backward = setting
    batch = inputs.values.shape[0]
    length = batch * n
    mean_square = preactivation_statistics(row, layer, space.h, length)
    if batch > 1:
        squares = space.delta_squares  # free until the backward pass
        for k in range(batch):
            squares[k] = sum_of_squares(space.h, k * n, n)
        row[H_COSINES, layer] = squared_directions(space.h, squares, n, inputs.group, space.direction)
    if network < counting.networks:
        count(counts[0, layer], space.h, length, exponent, counting.preactivation_exponent[layer])
    slope = space.slope[layer if backward else 0]
    carried, x_exponent, slope_exponent = activate(space.h, space.x, slope, length, exponent, mean_square, nonlinearity)
    active, saturated = active_and_saturated(space.h, slope, length, carried, nonlinearity)
    row[ACTIVE, layer], row[SATURATED, layer] = active, saturated
    total = activation_statistics(row, layer, space.x, length, exponent, x_exponent)
    if 0.0 < total < _LEAST_SQUARE * length:
        shift = exponent_of(total / length)
        rescale(space.x, length, -shift)
        x_exponent += shift
        total = math.ldexp(total, -2 * shift)
        row[X_ONE, layer] = math.ldexp(row[X_ONE, layer], -shift)
        row[X_TWO, layer] = math.ldexp(row[X_TWO, layer], -2 * shift)
        row[X_SIZE, layer] = math.ldexp(row[X_SIZE, layer], -shift)
        row[X_FOUR, layer] = math.ldexp(row[X_FOUR, layer], -4 * shift)
        row[X_EXPONENT, layer] = x_exponent
    space.x_exponent[layer + 1], space.slope_exponent[layer] = x_exponent, slope_exponent
    if backward and saturated == length and active > 0:
        carry_small_slopes(space.h, slope, length, carried, nonlinearity, space.slope_exponent[layer:])
    if batch == 1:
        space.x_squares[layer + 1, 0] = total
    elif backward:
        for k in range(batch):
            space.x_squares[layer + 1, k] = sum_of_squares(space.x, k * n, n)


@inner
def start_backward(space, architecture, batch, network, key_0, key_1):
    """delta = v of the last layer, v ~ N(0, 1) per network and input, before phi' is applied."""
    last = len(architecture.width) - 1
    n = architecture.width[last]
    place, low = place_of(network, last, OUTPUT_GRADIENT)
    for k in range(batch):
        call(architecture.normals, (space.bias, n, uint64(k), 1, place, low, key_0, key_1))
        for i in range(n):
            space.delta[k * n + i] = space.bias[i]


def _record_backward(space, setting, layer, n, exponent, network, counts, row):
    """The unit behind ``record_backward``: ``delta_squares`` are known; delta is rescaled where float32 needs it.

    Weight gradients: the mean over weights and inputs of (delta_i x_j)^2 is a product of two sums for each input.
    """
    inputs, _, counting, _ = setting
    batch = inputs.values.shape[0]
    delta, squares = space.delta, space.delta_squares
    exponent += space.slope_exponent[layer]
    exponent = max(-2 * LAST_EXPONENT, min(2 * LAST_EXPONENT, exponent))
    total, product = 0.0, 0.0
    for k in range(batch):
        total += squares[k]
        product += squares[k] * space.x_squares[layer, k]
    row[D_TWO, layer], row[D_PRODUCT, layer] = total, product
    if batch > 1:
        row[D_COSINES, layer] = squared_directions(delta, squares, n, inputs.group, space.direction)
    row[D_EXPONENT, layer], row[IN_EXPONENT, layer] = exponent, space.x_exponent[layer]
    if network < counting.networks:
        count(counts[1, layer], delta, batch * n, exponent, counting.gradient_exponent[layer])
    shift = exponent_of(total / (batch * n))
    if shift > GRADIENT_EXPONENT or shift < -GRADIENT_EXPONENT:
        rescale(delta, batch * n, -shift)
        exponent += shift
        for k in range(batch):
            squares[k] = math.ldexp(squares[k], -2 * shift)
    space.delta_exponent[0] = exponent


def steps_for(inputs, nonlinearity, counting):
    """The compiled ``Steps`` for arguments of these types."""
    floats, flat = np.empty(0, np.float32), np.empty(0, np.int64)
    # only types matter: _make_space called from here would be compiled again in every process
    space = Space(
        h=floats,
        x=floats,
        delta=floats,
        delta_exponent=flat,
        delta_squares=np.empty(0),
        slope=np.empty((0, 0), np.float32),
        slope_exponent=flat,
        x_exponent=flat,
        x_squares=np.empty((0, 0)),
        bias=floats,
        direction=np.empty(0),
    )
    setting = Setting(inputs, nonlinearity, counting, True)
    arguments = space, setting, 0, 0, 0, 0, np.zeros((2, 1, 1), np.int64), np.zeros((1, 1))
    return Steps(unit_for(_finish_forward, *arguments, lean=True), unit_for(_record_backward, *arguments, lean=True))
