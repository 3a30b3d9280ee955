"""Collapsed simulation: the joint law of everything a network does to its K inputs, without forming a weight matrix.

The twin of ``kernels/cpu/collapsed.py``, where the law is explained: the same normals at the same addresses. A block of
threads has a network. What the forward pass leaves for the backward pass lies in the block's tape.
"""

from typing import NamedTuple

import numba

from ..body.elementary import ONE, ZERO
from ..body.rng import COLLAPSED_BACKWARD, COLLAPSED_FORWARD
from ..body.scalars import float32, int32
from ._compile import cuda
from .bodies import square_root
from .fill import fill_normals, stream_of
from .layer import finish_backward, finish_forward, scale_of, shift_by_biases, start_backward, start_forward
from .memory import begin, tape_of_network
from .placeholders import BACKWARD, BATCH, IN_SHARED, ROOM, THREADS, WHOLE, meet
from .reflectors import NEGLIGIBLE, combine, factor, level, orthonormalize, project, remove_frame, unlevel, unreflect
from .sums import binary_exponent, column_squares, exponent_of, factors
from .tuples import SQUARES_CARRIED, X_CARRIED

_NOTHING = -4000  # the size of inputs that are all zero


class Tape(NamedTuple):
    """What the forward pass of the collapsed method leaves for its backward pass, and scratch; rows major.

    ``basis`` and ``tau``: the reflections that factor a layer's inputs. ``coordinates``: Z, or a frame. Layers stand
    ``stride`` numbers apart. ``normals`` and ``block``: scratch of a layer. ``triangle`` (K, K): R or C.
    ``levels`` (K,): exponents of columns, see ``reflectors.level``.
    """

    basis: object
    coordinates: object
    tau: object
    normals: object
    block: object
    triangle: object
    tau_of_block: object
    levels: object
    stride: int


def _rows_of_inputs(architecture, layer):
    """How many rows the factored inputs have: with the row of biases, or padded to a square for orthogonal weights."""
    n_in, n = architecture.fan_in[layer], architecture.width[layer]
    if WHOLE:
        return n_in if n_in > n else n
    return n_in + 1 if architecture.bias_std[layer] > ZERO else n_in


def _size_of_inputs(network, n_in, layer):
    """The power of two below the largest input's root mean square, in the scale that x carries."""
    largest = ZERO
    for k in range(BATCH):
        square = network.squares[layer * BATCH + k]
        largest = square if square > largest else largest
    if largest == ZERO:
        return _NOTHING
    return network.carried[SQUARES_CARRIED, layer] + exponent_of(largest / float32(n_in))


def _load_inputs(network, architecture, layer, x, basis, rows):
    """The inputs of a layer, with their row of biases, at size one; returns the exponent that they carry then."""
    n_in = architecture.fan_in[layer]
    exponent = network.carried[X_CARRIED, layer] + architecture.weight_exponent[layer]
    shift = _size_of_inputs(network, n_in, layer)
    below = ZERO
    if not WHOLE and rows > n_in:
        below = architecture.bias_std[layer] / architecture.weight_std[layer]
        below_shift = binary_exponent(below) - exponent
        shift = shift if shift > below_shift else below_shift
    if shift == _NOTHING:
        shift = 0
    low, high = factors(-shift)
    bias_low, bias_high = factors(-exponent - shift)
    for e in range(cuda.threadIdx.x, rows * BATCH, THREADS):
        basis[e] = x[e] * low * high if e < n_in * BATCH else below * bias_low * bias_high
    meet()
    return exponent + shift


def _factor_leveled(a, rows, tau, tape, network):
    """``factor`` of columns of any sizes."""
    is_leveled = BATCH > 1 and level(a, rows, tape.levels, network.norms, network.room)
    r = factor(a, rows, tau, tape.triangle, network.norms, network.room)
    if is_leveled:
        unlevel(tape.triangle, r, tape.levels)
    return r


def _sign_of_copy(x, k, j, n_in):
    """The sign that makes column j of x of column k to the last bit, zero where none does."""
    is_copy, is_mirrored = True, True
    i = 0
    while i < n_in and (is_copy or is_mirrored):
        a, b = x[i * BATCH + k], x[i * BATCH + j]
        is_copy = is_copy and a == b
        is_mirrored = is_mirrored and a == -b
        i += 1
    if is_copy:
        return ONE
    return -ONE if is_mirrored else ZERO


def _copy_equal_inputs(x, n_in, triangle, r, has_mirrors):
    """h of an input that equals an earlier one, or its negative, is that one's: round-off would grow between them."""
    for k in range(1 + cuda.threadIdx.x, BATCH, THREADS):
        is_open = k >= r or triangle[k * BATCH + k] == ZERO
        for j in range(k):
            if is_open:
                sign = _sign_of_copy(x, k, j, n_in)
                if sign == ONE or (sign == -ONE and has_mirrors):
                    for i in range(r if r < k + 1 else k + 1):
                        triangle[i * BATCH + k] = sign * triangle[i * BATCH + j] if i <= j else ZERO
                    is_open = False
    meet()


def _multiply(network, tape, architecture, layer, x, h):
    """h of a layer; returns the exponent it carries."""
    n, room = architecture.width[layer], network.room
    at = layer * tape.stride if BACKWARD else 0
    basis, z, tau = tape.basis[at:], tape.coordinates[at:], tape.tau[layer * BATCH :]
    rows = _rows_of_inputs(architecture, layer)
    exponent = _load_inputs(network, architecture, layer, x, basis, rows)
    r = _factor_leveled(basis, rows, tau, tape, network)
    _copy_equal_inputs(x, architecture.fan_in[layer], tape.triangle, r, architecture.bias_std[layer] == ZERO)
    length = rows if WHOLE else n
    fill_normals(z, length, r, BATCH, 1, stream_of(network, layer, COLLAPSED_FORWARD))
    meet()
    std = architecture.weight_std[layer]
    if WHOLE:
        orthonormalize(z, r, length, network.norms, room)
        exponent, std = scale_of(architecture, layer, exponent, std * square_root(float32(rows)))
    combine(z, r, tape.triangle, std, h, 0, n)
    if WHOLE:
        shift_by_biases(network, architecture, layer, h, exponent)
    return exponent


def _factor_gradients(network, tape, architecture, layer, delta, r, rows):
    """The triangle C of the gradients of a layer, or of what they have beside the frame of an orthogonal layer."""
    n, room, norms = architecture.width[layer], network.room, network.norms
    length = rows if WHOLE else n
    for e in range(cuda.threadIdx.x, length * BATCH, THREADS):
        tape.block[e] = delta[e] if e < n * BATCH else ZERO
    meet()
    if not WHOLE:
        return _factor_leveled(tape.block, length, tape.tau_of_block, tape, network)
    is_leveled = BATCH > 1 and level(tape.block, length, tape.levels, norms, room)
    column_squares(tape.block, length, ONE, tape.tau_of_block, room)
    remove_frame(tape.coordinates[layer * tape.stride :], r, tape.block, rows, norms, room)
    column_squares(tape.block, length, ONE, norms, room)
    for e in range(cuda.threadIdx.x, length * BATCH, THREADS):
        if norms[e % BATCH] <= NEGLIGIBLE * tape.tau_of_block[e % BATCH]:
            tape.block[e] = ZERO
    meet()
    found = factor(tape.block, length, tape.tau_of_block, tape.triangle, norms, room)
    if is_leveled:
        unlevel(tape.triangle, found, tape.levels)
    return found


def _back_through(network, tape, architecture, layer, delta):
    """W_l^T delta of a layer, times its ``weight_std`` alone, into ``tape.block``; returns the factor still missing."""
    n, room, norms = architecture.width[layer], network.room, network.norms
    at = layer * tape.stride
    basis, z, tau = tape.basis[at:], tape.coordinates[at:], tape.tau[layer * BATCH :]
    rows = _rows_of_inputs(architecture, layer)
    r = rows if rows < BATCH else BATCH
    free = _factor_gradients(network, tape, architecture, layer, delta, r, rows)
    beside = rows - r
    if beside > 0:
        fill_normals(tape.normals, beside, free, BATCH, 1, stream_of(network, layer, COLLAPSED_BACKWARD))
        meet()
        if WHOLE:
            orthonormalize(tape.normals, free, beside, norms, room)
        combine(tape.normals, free, tape.triangle, ONE, tape.block, r, beside)
    project(z, r, delta, n, tape.block, norms, room)
    unreflect(basis, rows, r, tau, tape.block, norms, room)
    return architecture.weight_std[layer] * (square_root(float32(rows)) if WHOLE else ONE)


def _make_tape(memory, own, architecture, longest, start):
    """The tape of a block, from ``own[start]`` on; scratch in ``memory``, after the two arrays of a layer."""
    depth, column = architecture.width.size, longest * BATCH
    kept = depth if BACKWARD else 1
    coordinates = start + kept * column
    tau = coordinates + kept * column
    triangle = 3 * column
    tau_of_block = triangle + BATCH * BATCH
    levels = tau_of_block + BATCH
    return Tape(
        own[start:coordinates],
        own[coordinates:tau],
        own[tau:],
        memory[2 * column : 3 * column],
        memory[:column],  # x, which the backward pass has no use for
        memory[triangle:tau_of_block],
        memory[tau_of_block:levels],
        memory[levels:],
        column,
    )


def _both_passes(network, tape, architecture, inputs, nonlinearity, x, h):
    depth = architecture.width.size
    start_forward(network, architecture, inputs, x)
    guess = int32(0)
    for layer in range(depth):
        exponent = _multiply(network, tape, architecture, layer, x, h)
        guess = finish_forward(network, architecture, layer, nonlinearity, h, x, exponent, guess)
    if BACKWARD:
        start_backward(network, architecture, tape.block)
        exponent, missing = 0, ONE
        for layer in range(depth - 1, -1, -1):
            exponent = finish_backward(network, architecture, layer, tape.block, missing, exponent, h)
            if layer > 0:
                missing = _back_through(network, tape, architecture, layer, h)
                exponent += architecture.weight_exponent[layer]


def walk(address, architecture, inputs, nonlinearity, results, scratch):
    """Networks blockIdx, blockIdx + gridDim, ... of a launch; ``scratch.floats`` has a row for each block.

    Normal or orthogonal weights only, and for the latter at most half as many inputs as the narrowest layer is wide.
    One input through normal weights has a kernel of its own: ``one_input``.
    """
    room = cuda.shared.array(ROOM, float32)
    own = scratch.floats[cuda.blockIdx.x]
    shared = cuda.shared.array(0, numba.float32)
    memory = shared if IN_SHARED else own
    size = scratch.longest * BATCH
    start = scratch.tape + tape_of_network(architecture.width.size, size)
    tape = _make_tape(memory, own, architecture, scratch.longest, start)
    for i in range(cuda.blockIdx.x, address.networks, cuda.gridDim.x):
        network = begin(i, address, architecture, inputs, results, scratch, room)
        _both_passes(network, tape, architecture, inputs, nonlinearity, memory[:size], memory[size : 2 * size])
