"""Direct simulation: real weights, made in registers where they are multiplied, or factored whole where orthogonal.

A block of threads has a network, and walks through its layers in one launch; the backward pass makes the weights
again. The twin of ``kernels/cpu/direct.py``: the same networks.
"""

import numba

from ..body.rng import WEIGHTS
from ..body.scalars import float32, int32
from ._compile import cuda
from .bodies import place_of
from .fill import BITS
from .haar import factor_layer, multiply_whole
from .layer import (
    ONE,
    X_CARRIED,
    ZERO,
    finish_backward,
    finish_forward,
    scale_of,
    shift_by_biases,
    start_backward,
    start_forward,
)
from .memory import begin, tape_of_network
from .products import multiply_few, multiply_many, multiply_transposed_few, multiply_transposed_many

BACKWARD = True
BATCH = 1
THREADS = 32
ROOM = 4 * THREADS
TILES = 1  # shared memory of ``multiply_many``
IN_SHARED = False  # whether the arrays of a layer are small enough for shared memory
WHOLE = False  # whether weights are orthogonal
FEW = True  # whether a thread keeps the products of all inputs in registers


def _multiply(network, layers, layer, x, h, space):
    """h = W x + b of a layer; returns the exponent it carries."""
    n_in, n = layers.fan_in[layer], layers.width[layer]
    place, low = place_of(network.number, layer, WEIGHTS)
    usual = network.carried[X_CARRIED, layer] + layers.weight_exponent[layer]
    exponent, std = scale_of(layers, layer, usual, layers.weight_std[layer])
    if WHOLE:
        factor_layer(space, n_in, n, place, low, network.key_0, network.key_1, network.room)
        multiply_whole(space, n_in, n, x, h, std, False, network.room)
    elif FEW:
        padded = (n_in + 4 * BITS - 1) // (4 * BITS) * 4 * BITS
        for e in range(n_in * BATCH + cuda.threadIdx.x, padded * BATCH, THREADS):
            x[e] = ZERO
        cuda.syncthreads()
        multiply_few(x, h, n_in, n, std, place, low, network.key_0, network.key_1)
    else:
        multiply_many(space, x, h, n_in, n, std, place, low, network.key_0, network.key_1)
    shift_by_biases(network, layers, layer, h, exponent)
    return exponent


def _multiply_transposed(network, layers, layer, delta, y, space):
    n_in, n = layers.fan_in[layer], layers.width[layer]
    place, low = place_of(network.number, layer, WEIGHTS)
    if WHOLE:
        factor_layer(space, n_in, n, place, low, network.key_0, network.key_1, network.room)
        multiply_whole(space, n_in, n, delta, y, ONE, True, network.room)
    elif FEW:
        multiply_transposed_few(delta, y, n_in, n, place, low, network.key_0, network.key_1)
    else:
        multiply_transposed_many(space, delta, y, n_in, n, place, low, network.key_0, network.key_1)


def _walk(network, layers, inputs, nonlinearity, counts, x, h, space):
    depth = layers.width.size
    start_forward(network, layers, inputs, x)
    guess = int32(0)
    for layer in range(depth):
        exponent = _multiply(network, layers, layer, x, h, space)
        guess = finish_forward(network, layers, layer, inputs, nonlinearity, counts, h, x, exponent, guess)
    if BACKWARD:
        start_backward(network, layers, x)
        exponent, std = 0, ONE
        for layer in range(depth - 1, -1, -1):
            exponent = finish_backward(network, layers, layer, counts, x, std, exponent, h)
            if layer > 0:
                _multiply_transposed(network, layers, layer, h, x, space)
                exponent += layers.weight_exponent[layer]
                std = layers.weight_std[layer]


def simulate(address, layers, inputs, nonlinearity, results, scratch):
    """Networks blockIdx, blockIdx + gridDim, ... of a launch; ``scratch.floats`` has a row for each block."""
    room = cuda.shared.array(ROOM, float32)
    tiles = cuda.shared.array(TILES, float32)
    shared = cuda.shared.array(0, numba.float32)
    own = scratch.floats[cuda.blockIdx.x]
    memory = shared if IN_SHARED else own
    size = scratch.longest * BATCH
    space = own[scratch.tape + tape_of_network(layers.width.size, size) :] if WHOLE else tiles
    for i in range(cuda.blockIdx.x, address.networks, cuda.gridDim.x):
        network = begin(i, address, layers, inputs, results, scratch, room)
        x, h = memory[:size], memory[size : 2 * size]
        _walk(network, layers, inputs, nonlinearity, results.counts, x, h, space)
