"""What is done to a layer once its preactivations or gradients are there: range, activation, sums, counts.

Arrays of a layer are flat float32 of n units x K inputs, units major, and carry a power of two as on the processor.
Sums leave the device as float32 with an int32 exponent; the host puts them together in float64. Every function begins
with its arrays complete and ends with a barrier.
"""

from ..body.elementary import ZERO
from ..body.rng import BIASES, OUTPUT_GRADIENT
from ..body.scalars import float32, int32
from ..recorded import (
    ACTIVE,
    D_COSINES,
    D_EXPONENT,
    D_PRODUCT,
    D_TWO,
    H_COSINES,
    H_EXPONENT,
    H_FOUR,
    H_ONE,
    H_TWO,
    IN_EXPONENT,
    SATURATED,
    X_EXPONENT,
    X_FOUR,
    X_ONE,
    X_SIZE,
    X_TWO,
)
from ._compile import cuda
from .bodies import power_of_two
from .fill import add_biases, fill_normals, stream_of
from .nonlinearity import FAR_OUT, TRUE, Scale, activate, carry_small_slopes, has_far_units, side_of
from .placeholders import BACKWARD, BATCH, HAS_SLOPES, THREADS, meet, sum_one
from .sums import (
    LAST_EXPONENT,
    LEAST,
    MOST,
    binary_exponent,
    clipped,
    column_squares,
    count,
    exponent_of,
    factors,
    rescale,
    squared_directions,
    sums_of_powers,
)
from .tuples import SLOPE_CARRIED, SQUARES_CARRIED, X_CARRIED

# A gradient is rescaled when its root mean square leaves 2^+-10, so that squares stay in the middle of float32.
GRADIENT_EXPONENT = 10
HIGHEST_BIAS = 39  # biases of up to about 2^40 times the scale are carried in it, as on the processor


def _carry(network, kind, layer, exponent):
    """Keep an exponent; every thread may read it after the next barrier."""
    if cuda.threadIdx.x == 0:
        network.carried[kind, layer] = exponent


def _keep_squares(network, layer, n, x, two, e):
    """The sums of squares of x_layer over units, for each input, divided by 2^(2 e)."""
    at = layer * BATCH
    if BATCH > 1:
        column_squares(x, n, power_of_two(int32(-e)), network.squares[at:], network.room)
    elif cuda.threadIdx.x == 0:
        network.squares[at] = two
    _carry(network, SQUARES_CARRIED, layer, e)


def start_forward(network, architecture, inputs, x):
    """x_0: the inputs."""
    length = architecture.fan_in[0] * BATCH
    for e in range(cuda.threadIdx.x, length, THREADS):
        x[e] = inputs.values[e]
    _, two, _, _, exponent = sums_of_powers(x, length, int32(0), network.room)
    _keep_squares(network, 0, architecture.fan_in[0], x, two, exponent)
    _carry(network, X_CARRIED, 0, inputs.exponent)
    meet()


def scale_of(architecture, layer, exponent, std):
    """The exponent that h of a layer is to carry, and the factor of W x for it, where 2^exponent and ``std`` are usual.

    It is another where the biases tower so high above W x that they would leave float32 in its scale.
    """
    bias = architecture.bias_std[layer]
    if bias > ZERO:
        least = binary_exponent(bias) - HIGHEST_BIAS
        if exponent < least:
            low, high = factors(exponent - least)
            return least, std * low * high
    return exponent, std


def shift_by_biases(network, architecture, layer, h, exponent):
    """h += b where the layer has biases, in the scale 2^exponent that h carries."""
    if architecture.bias_std[layer] > ZERO:
        low, high = factors(-exponent)
        factor = architecture.bias_std[layer] * low * high
        add_biases(h, architecture.width[layer], factor, stream_of(network, layer, BIASES))
        meet()


def finish_forward(network, architecture, layer, nonlinearity, h, x, exponent, guess):
    """From h of a layer (true values h 2^exponent) to x, phi' and everything that is recorded of them.

    ``guess`` is the size at which the sums of h are tried first; returns the one to try for the next layer.
    """
    room, t = network.room, cuda.threadIdx.x
    n = architecture.width[layer]
    length = n * BATCH
    one, two, four, _, e = sums_of_powers(h, length, guess, room)
    cosines = ZERO
    if BATCH > 1:
        down = power_of_two(int32(-e))
        column_squares(h, n, down, network.norms, room)
        cosines = squared_directions(h, network.norms, n, network.group, down, room)
    if network.is_counted:
        count(network.counts[0, layer], h, length, exponent, architecture.units[0, layer])
    if t == 0:
        sums = network.sums[layer]
        sums[H_ONE], sums[H_TWO], sums[H_FOUR], sums[H_COSINES] = one, two, four, cosines
        network.exponents[layer, H_EXPONENT] = exponent + e
    slope = network.slopes[layer * network.column :]
    size = exponent + e + exponent_of(two / float32(length))
    side = side_of(size, two == ZERO, nonlinearity)
    size = clipped(size, LAST_EXPONENT)
    shift, x_exponent, slope_exponent = exponent, 0, 0
    if side == FAR_OUT:
        shift = exponent - size
        x_exponent = size if has_far_units(h, length, shift, size, nonlinearity, room) else 0
    elif side != TRUE:
        degree = int32(nonlinearity.asymptotes[side, 2])
        shift, x_exponent, slope_exponent = exponent - size, size * degree, size * (degree - 1)
    scale = Scale(side, shift, size, x_exponent)
    one, two, four, total, active, saturated = activate(h, x, slope, length, scale, nonlinearity, room)
    if BACKWARD and HAS_SLOPES and saturated == float32(length) and active > ZERO:
        parameter = nonlinearity.parameter
        slope_exponent = carry_small_slopes(h, slope, length, exponent - size, size, parameter, room)
    scaled_by = int32(0)
    if not (two > LEAST and two < MOST):
        one, two, four, total, scaled_by = sums_of_powers(x, length, int32(0), room)
    _keep_squares(network, layer + 1, n, x, two, scaled_by)
    _carry(network, SLOPE_CARRIED, layer, slope_exponent)
    _carry(network, X_CARRIED, layer + 1, x_exponent)
    if t == 0:
        sums = network.sums[layer]
        sums[X_ONE], sums[X_TWO], sums[X_FOUR], sums[X_SIZE] = one, two, four, total
        sums[ACTIVE], sums[SATURATED] = active, saturated
        network.exponents[layer, X_EXPONENT] = x_exponent + scaled_by
    meet()
    return e


def start_backward(network, architecture, delta):
    """delta = v of the last layer, v ~ N(0, 1) per network and input, before phi' is applied."""
    last = architecture.width.size - 1
    fill_normals(delta, architecture.width[last], BATCH, BATCH, 1, stream_of(network, last, OUTPUT_GRADIENT))
    meet()


def finish_backward(network, architecture, layer, source, factor, exponent, delta):
    """delta = factor source phi' of a layer (source carries ``exponent``), and everything that is recorded of it.

    Returns the exponent that delta carries. ``source`` and ``delta`` may be the same array.
    """
    room, t = network.room, cuda.threadIdx.x
    n = architecture.width[layer]
    length = n * BATCH
    slope = network.slopes[layer * network.column :]
    total = ZERO
    for e in range(t, length, THREADS):
        v = factor * source[e] * slope[e]
        delta[e] = v
        total += v * v
    total = sum_one(total, room)
    exponent = clipped(exponent + network.carried[SLOPE_CARRIED, layer], 2 * LAST_EXPONENT)
    e = int32(0)
    if not (total > LEAST and total < MOST):
        _, total, _, _, e = sums_of_powers(delta, length, int32(0), room)
    squares = network.squares[layer * BATCH :]
    product, cosines = total * squares[0], ZERO
    if BATCH > 1:
        scale = power_of_two(int32(-e))
        column_squares(delta, n, scale, network.norms, room)
        product = ZERO
        for k in range(t, BATCH, THREADS):
            product += network.norms[k] * squares[k]
        product = sum_one(product, room)
        cosines = squared_directions(delta, network.norms, n, network.group, scale, room)
    if network.is_counted:
        count(network.counts[1, layer], delta, length, exponent, architecture.units[1, layer])
    if t == 0:
        sums = network.sums[layer]
        sums[D_TWO], sums[D_PRODUCT], sums[D_COSINES] = total, product, cosines
        network.exponents[layer, D_EXPONENT] = exponent + e
        network.exponents[layer, IN_EXPONENT] = (
            network.carried[X_CARRIED, layer] + network.carried[SQUARES_CARRIED, layer]
        )
    shift = int32(e + exponent_of(total / float32(length)))
    if shift > GRADIENT_EXPONENT or shift < -GRADIENT_EXPONENT:
        rescale(delta, length, -shift)
        exponent += shift
    meet()
    return exponent
