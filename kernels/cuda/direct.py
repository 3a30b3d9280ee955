"""Direct simulation: real weights, made in registers where they are multiplied, or factored whole where orthogonal.

A block of threads has a network, and walks through its architecture in one launch; the backward pass makes the weights
again. The twin of ``kernels/cpu/direct.py``: the same networks.
"""

import numba

from ..body.elementary import ONE
from ..body.rng import WEIGHTS
from ..body.scalars import float32, int32
from ._compile import cuda
from .fill import stream_of
from .haar import factor_layer, multiply_whole
from .layer import finish_backward, finish_forward, scale_of, shift_by_biases, start_backward, start_forward
from .memory import begin, tape_of_network
from .placeholders import BACKWARD, BATCH, IN_SHARED, ROOM, TILE_NUMBER, TILES, WHOLE
from .products import multiply, multiply_transposed
from .tuples import X_CARRIED


def _multiply(network, architecture, layer, x, h, space):
    """h = W x + b of a layer; returns the exponent it carries."""
    n_in, n = architecture.fan_in[layer], architecture.width[layer]
    stream = stream_of(network, layer, WEIGHTS)
    usual = network.carried[X_CARRIED, layer] + architecture.weight_exponent[layer]
    exponent, std = scale_of(architecture, layer, usual, architecture.weight_std[layer])
    if WHOLE:
        factor_layer(space, n_in, n, stream, network.room)
        multiply_whole(space, n_in, n, x, h, std, False, network.room)
    else:
        multiply(space, x, h, n_in, n, std, stream)
    shift_by_biases(network, architecture, layer, h, exponent)
    return exponent


def _multiply_transposed(network, architecture, layer, delta, y, space):
    n_in, n = architecture.fan_in[layer], architecture.width[layer]
    stream = stream_of(network, layer, WEIGHTS)
    if WHOLE:
        factor_layer(space, n_in, n, stream, network.room)
        multiply_whole(space, n_in, n, delta, y, ONE, True, network.room)
    else:
        multiply_transposed(space, delta, y, n_in, n, stream)


def _both_passes(network, architecture, inputs, nonlinearity, x, h, space):
    depth = architecture.width.size
    start_forward(network, architecture, inputs, x)
    guess = int32(0)
    for layer in range(depth):
        exponent = _multiply(network, architecture, layer, x, h, space)
        guess = finish_forward(network, architecture, layer, nonlinearity, h, x, exponent, guess)
    if BACKWARD:
        start_backward(network, architecture, x)
        exponent, std = 0, ONE
        for layer in range(depth - 1, -1, -1):
            exponent = finish_backward(network, architecture, layer, x, std, exponent, h)
            if layer > 0:
                _multiply_transposed(network, architecture, layer, h, x, space)
                exponent += architecture.weight_exponent[layer]
                std = architecture.weight_std[layer]


def walk(address, architecture, inputs, nonlinearity, results, scratch):
    """Networks blockIdx, blockIdx + gridDim, ... of a launch; ``scratch.floats`` has a row for each block."""
    room = cuda.shared.array(ROOM, float32)
    tiles = cuda.shared.array(TILES, TILE_NUMBER)
    shared = cuda.shared.array(0, numba.float32)
    own = scratch.floats[cuda.blockIdx.x]
    memory = shared if IN_SHARED else own
    size = scratch.longest * BATCH
    space = own[scratch.tape + tape_of_network(architecture.width.size, size) :] if WHOLE else tiles
    for i in range(cuda.blockIdx.x, address.networks, cuda.gridDim.x):
        network = begin(i, address, architecture, inputs, results, scratch, room)
        x, h = memory[:size], memory[size : 2 * size]
        _both_passes(network, architecture, inputs, nonlinearity, x, h, space)
