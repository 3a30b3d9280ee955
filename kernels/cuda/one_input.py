"""Collapsed simulation of one input through normal weights, by a block of threads.

The twin of ``kernels/cpu/one_input.py``, where the law is explained: the same normals at the same addresses. What the
forward pass leaves for the backward pass lies in the block's tape.
"""

from typing import NamedTuple

import numba

from ..body.elementary import ONE, ZERO
from ..body.rng import COLLAPSED_BACKWARD, COLLAPSED_FORWARD
from ..body.scalars import float32, int32
from ._compile import cuda
from .bodies import square_root
from .direction import direction_of, input_of, normal_of_biases
from .fill import fill_normals, stream_of
from .layer import finish_backward, finish_forward, start_backward, start_forward
from .memory import begin, tape_of_network
from .placeholders import BACKWARD, IN_SHARED, ROOM, THREADS, meet, sum_four
from .sums import rescale
from .tuples import SQUARES_CARRIED


class Tape(NamedTuple):
    """What the forward pass leaves for the backward pass, ``stride`` numbers a layer, and scratch of a layer.

    z: coordinates of every layer. x: activations, each the input of the layer above. ``h`` and ``delta``: scratch.
    """

    z: object
    x: object
    h: object
    delta: object
    stride: int


def _forward(network, tape, architecture, inputs, nonlinearity):
    start_forward(network, architecture, inputs, tape.h)
    guess = int32(0)
    for layer in range(architecture.width.size):
        n, at = architecture.width[layer], layer * tape.stride
        z, x = tape.z[at:], tape.x[at:]
        direction = direction_of(architecture, layer, input_of(network, layer))
        fill_normals(z, n, 1, 1, 1, stream_of(network, layer, COLLAPSED_FORWARD))
        meet()
        for i in range(cuda.threadIdx.x, n, THREADS):
            tape.h[i] = direction.norm * z[i]
        meet()
        guess = finish_forward(network, architecture, layer, nonlinearity, tape.h, x, direction.exponent, guess)
        # squares are taken at size one, and so is x from here on
        rescale(x, n, -network.carried[SQUARES_CARRIED, layer + 1])


def _back_through(network, tape, architecture, layer, total):
    """W_l^T delta of a layer into ``tape.h``, times its ``weight_std`` alone, where ``total`` is |delta|^2."""
    n_in, n, at = architecture.fan_in[layer], architecture.width[layer], layer * tape.stride
    z, x, g = tape.z[at:], tape.x[at - tape.stride :], tape.h
    direction = direction_of(architecture, layer, input_of(network, layer))
    fill_normals(g, n_in, 1, 1, 1, stream_of(network, layer, COLLAPSED_BACKWARD))
    meet()
    along, of_u = ZERO, ZERO
    for i in range(cuda.threadIdx.x, n, THREADS):
        along += z[i] * tape.delta[i]
    for i in range(cuda.threadIdx.x, n_in, THREADS):
        of_u += x[i] * g[i]
    along, of_u, _, _ = sum_four(along, of_u, ZERO, ZERO, network.room)
    of_u = direction.factor * of_u + direction.last * normal_of_biases(network, architecture, layer)
    std, size = architecture.weight_std[layer], square_root(total)
    of_normals, of_x = std * size, std * direction.factor * (along - size * of_u)
    for i in range(cuda.threadIdx.x, n_in, THREADS):
        g[i] = of_normals * g[i] + of_x * x[i]
    meet()


def _backward(network, tape, architecture):
    last = architecture.width.size - 1
    start_backward(network, architecture, tape.h)
    exponent = finish_backward(network, architecture, last, tape.h, ONE, 0, tape.delta)
    for layer in range(last, 0, -1):
        n, total = architecture.width[layer], ZERO
        for i in range(cuda.threadIdx.x, n, THREADS):
            total += tape.delta[i] * tape.delta[i]
        total, _, _, _ = sum_four(total, ZERO, ZERO, ZERO, network.room)
        _back_through(network, tape, architecture, layer, total)
        exponent += architecture.weight_exponent[layer]
        exponent = finish_backward(network, architecture, layer - 1, tape.h, ONE, exponent, tape.delta)


def _make_tape(memory, own, start, depth, longest):
    """The tape of a block, from ``own[start]`` on; scratch in ``memory``."""
    stride = longest if BACKWARD else 0
    x = start + (depth if BACKWARD else 1) * longest
    return Tape(own[start:x], own[x:], memory[:longest], memory[longest : 2 * longest], stride)


def walk(address, architecture, inputs, nonlinearity, results, scratch):
    """Networks blockIdx, blockIdx + gridDim, ... of a launch that have a 1 in ``results.left``.

    ``scratch.floats`` has a row for each block. One input and normal weights only.
    """
    room = cuda.shared.array(ROOM, float32)
    own, depth = scratch.floats[cuda.blockIdx.x], architecture.width.size
    shared = cuda.shared.array(0, numba.float32)
    memory = shared if IN_SHARED else own
    start = scratch.tape + tape_of_network(depth, scratch.longest)
    tape = _make_tape(memory, own, start, depth, scratch.longest)
    for i in range(cuda.blockIdx.x, address.networks, cuda.gridDim.x):
        if results.left[i] != 0:
            network = begin(i, address, architecture, inputs, results, scratch, room)
            _forward(network, tape, architecture, inputs, nonlinearity)
            if BACKWARD:
                _backward(network, tape, architecture)
