"""One collapsed input with every layer in the registers of a warp: the networks that stay where float32 is at ease.

The law and the numbers are those of ``one_input.py``. Up to 1024 units a block is one warp, which exchanges registers
and waits for nobody. A thread has the same column groups (see ``fill.py``) of every layer, so that nothing but sums
crosses threads. What the forward pass leaves are the normals z; phi and phi' are made of them again.

A network that comes where range asks for more (far out, nearly zero, saturated altogether) is left to ``one_input.py``:
it has a 1 in ``results.left`` then. Whether it comes there is a matter of the network alone.
"""

from ..body.elementary import ONE, ZERO
from ..body.rng import COLLAPSED_BACKWARD, COLLAPSED_FORWARD, OUTPUT_GRADIENT
from ..body.scalars import float32, int32, uint64
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
from .bodies import power_of_two, square_root
from .direction import Given, direction_of, normal_of_biases
from .fill import stream_of
from .layer import GRADIENT_EXPONENT
from .layer_in_registers import (
    BY,
    IN_LACKS,
    KEPT,
    SLOPE_LACKS,
    SQUARE,
    UP,
    Shown,
    Tape,
    are_groups_zero,
    combine_groups,
    dot_groups,
    dot_with_z,
    fill_groups,
    see_groups_again,
    show_groups,
    store_groups,
)
from .memory import begin
from .nonlinearity import FAR_EXPONENT, PERIODIC_EXPONENT
from .placeholders import (
    BACKWARD,
    ENDS,
    FLATS,
    HAS_SLOPES,
    NUMBERS,
    PERIOD,
    ROOM,
    THREADS,
    meet,
    sum_one,
)
from .sums import LEAST, MOST, binary_exponent, bins_per_unit, count_one, factors

# Root mean squares that phi is shown lie between 2^-100, so that small units are normal float32 too, and 2^120.
_NEAREST, _FARTHEST = -100, 120
# Exponents end here: float32 holds them.
_LAST_EXPONENT = 1 << 23


def _size_of(square, n):
    """The power of two below the root of the mean of n squares, or below that."""
    return int32(int32(binary_exponent(square) - binary_exponent(float32(n))) >> int32(1))


def _shown_by(direction, nonlinearity):
    """How h of a ``Direction`` is shown: a homogeneous phi as it is carried, any other truly, and x at size one."""
    row = 0 if direction.exponent < 0 else 1
    degree = int32(nonlinearity.asymptotes[row, 2])
    exponent = int32(direction.exponent * degree)
    if nonlinearity.is_homogeneous:
        return Shown(direction.norm, ONE, exponent, int32(exponent - direction.exponent))
    low, high = factors(direction.exponent)
    up_low, up_high = factors(-exponent)
    return Shown(direction.norm * low * high, up_low * up_high, exponent, int32(0))


def _is_at_ease(direction, sums, n, nonlinearity):
    """Whether phi and the sums of a layer are what they are in float32, and phi' asks for no logarithms."""
    two = direction.norm * direction.norm * sums.z_two
    size = direction.exponent + _size_of(two, n)
    least, most = -_LAST_EXPONENT, _LAST_EXPONENT
    if not nonlinearity.is_homogeneous:
        is_bounded = nonlinearity.asymptotes[1, 2] == ZERO
        least = _NEAREST if nonlinearity.asymptotes[0, 2] <= ONE else _NEAREST // 2
        most = PERIODIC_EXPONENT if PERIOD > 0.0 else _FARTHEST if is_bounded else FAR_EXPONENT
    is_seen = two == ZERO or (size > least and size < most)
    is_inside = (sums.x_two > LEAST and sums.x_two < MOST) or sums.x_size == ZERO
    has_slopes = not (BACKWARD and HAS_SLOPES) or sums.saturated < float32(n) or sums.active == ZERO
    return is_seen and is_inside and has_slopes


def _record_forward(network, layer, direction, sums, exponent):
    """What is recorded of a layer, x of which carries ``exponent``."""
    two, into, exponents = direction.norm * direction.norm, network.sums[layer], network.exponents[layer]
    into[H_ONE], into[H_TWO], into[H_FOUR] = direction.norm * sums.z_one, two * sums.z_two, two * two * sums.z_four
    into[X_ONE], into[X_TWO], into[X_FOUR], into[X_SIZE] = sums.x_one, sums.x_two, sums.x_four, sums.x_size
    into[ACTIVE], into[SATURATED], into[H_COSINES] = sums.active, sums.saturated, ZERO
    exponents[H_EXPONENT], exponents[X_EXPONENT] = direction.exponent, exponent


def _square_of_inputs(inputs, n, room):
    """|x_0|^2, whose largest entry is near one."""
    total = ZERO
    for i in range(cuda.threadIdx.x, n, THREADS):
        total += inputs.values[i] * inputs.values[i]
    return sum_one(total, room)


def _keep(tape, layer, shown, given):
    """What the backward pass takes of a layer and its input; by one thread."""
    at = tape.kept + layer * uint64(KEPT)
    floats = tape.floats
    floats[at + uint64(BY)], floats[at + uint64(UP)] = shown.by, shown.up
    floats[at + uint64(SLOPE_LACKS)] = float32(shown.slope_exponent)
    floats[at + uint64(SQUARE)], floats[at + uint64(IN_LACKS)] = given.square, float32(given.exponent)


def _given_to(tape, layer):
    """The input of a layer, as it was kept."""
    at = tape.kept + layer * uint64(KEPT)
    return Given(tape.floats[at + uint64(SQUARE)], int32(tape.floats[at + uint64(IN_LACKS)]))


def _forward(network, tape, architecture, nonlinearity, given, z, ends, is_counted):
    """Whether the forward pass stays at ease to its end, and what is recorded of it."""
    for number in range(architecture.width.size):
        layer = uint64(number)
        n = architecture.width[layer]
        direction = direction_of(architecture, layer, given)
        fill_groups(z, n, stream_of(network, layer, COLLAPSED_FORWARD))
        if BACKWARD or is_counted:
            store_groups(z, n, tape, layer)
        shown = _shown_by(direction, nonlinearity)
        sums = show_groups(z, shown, n, nonlinearity, ends, network.room)
        if not _is_at_ease(direction, sums, n, nonlinearity):
            return False
        if cuda.threadIdx.x == 0:
            _record_forward(network, layer, direction, sums, shown.x_exponent)
            _keep(tape, layer, shown, given)
        given = Given(sums.x_two, shown.x_exponent)
    return True


def _record_backward(network, layer, given, total, exponent):
    """What is recorded of delta, which carries ``exponent``, and of the layer's input."""
    into, exponents = network.sums[layer], network.exponents[layer]
    into[D_TWO], into[D_PRODUCT], into[D_COSINES] = total, total * given.square, ZERO
    exponents[D_EXPONENT], exponents[IN_EXPONENT] = exponent, given.exponent


def _back_through(network, tape, architecture, above, delta, x, total, along):
    """By what normals delta and inputs x of a layer are multiplied in W^T delta, and the exponent of that.

    Where ``total`` was |delta|^2 and ``along`` z . delta of the layer itself.
    """
    n = architecture.fan_in[above]
    direction = direction_of(architecture, above, _given_to(tape, above))
    of_u = direction.factor * dot_groups(x, delta, n, network.room)
    of_u += direction.last * normal_of_biases(network, architecture, above)
    std, size = architecture.weight_std[above], square_root(total)
    shift = binary_exponent(std)
    std = std * power_of_two(int32(-shift))
    return std * size, std * direction.factor * (along - size * of_u), architecture.weight_exponent[above] + shift


def _backward(network, tape, architecture, nonlinearity, delta, x, slope, is_counted):
    """Whether the backward pass stays at ease to its end, and what is recorded of it."""
    last, room = architecture.width.size - 1, network.room
    total, exponent = ZERO, int32(0)
    for number in range(last, -1, -1):
        layer, above, kind, along = uint64(number), uint64(number + 1), COLLAPSED_BACKWARD, ZERO
        n = architecture.width[layer]
        if number == last:
            above, kind = layer, OUTPUT_GRADIENT
        else:
            along = dot_with_z(tape, above, delta, architecture.width[above], room)
            if is_counted:
                store_groups(delta, architecture.width[above], tape, above)
        fill_groups(delta, n, stream_of(network, above, kind))
        see_groups_again(tape, layer, n, nonlinearity, x, slope)
        of_normals, of_x = ONE, ZERO
        if number < last:
            of_normals, of_x, more = _back_through(network, tape, architecture, above, delta, x, total, along)
            exponent = int32(exponent + more)
        total = combine_groups(delta, x, slope, n, (of_normals, of_x), room)
        exponent = int32(exponent + int32(tape.floats[tape.kept + layer * uint64(KEPT) + uint64(SLOPE_LACKS)]))
        if not (total > LEAST and total < MOST) and not (total == ZERO and are_groups_zero(delta, n, room)):
            return False
        shift = _size_of(total, n)
        if total > ZERO and (shift > GRADIENT_EXPONENT or shift < -GRADIENT_EXPONENT):
            down = power_of_two(int32(-shift))
            for m in range(NUMBERS):
                delta[m] = delta[m] * down
            exponent, total = int32(exponent + shift), total * down * down
        if exponent > _LAST_EXPONENT or exponent < -_LAST_EXPONENT:
            return False
        if cuda.threadIdx.x == 0:
            _record_backward(network, layer, _given_to(tape, layer), total, exponent)
    if is_counted:
        store_groups(delta, architecture.width[0], tape, uint64(0))
    return True


def _count(network, tape, architecture, nonlinearity, which):
    """The numbers on the tape into the histograms of a pass: preactivations, 0, or gradients, 1."""
    meet()
    for number in range(architecture.width.size):
        layer = uint64(number)
        n, at = architecture.width[layer], tape.z + layer * tape.stride
        by, exponent = ONE, network.exponents[layer, D_EXPONENT]
        if which == 0:
            by = tape.floats[tape.kept + layer * uint64(KEPT) + uint64(BY)]
            exponent = network.exponents[layer, H_EXPONENT] if nonlinearity.is_homogeneous else int32(0)
        scale = by * bins_per_unit(exponent, architecture.units[which, layer])
        counts = network.counts[which, layer]
        for i in range(cuda.threadIdx.x, n, THREADS):
            count_one(counts, tape.floats[at + uint64(i)] * scale)
    meet()


def _both_passes(network, tape, architecture, nonlinearity, given, registers, is_counted):
    """Whether a network stays at ease."""
    delta, x, slope, ends = registers
    meet()
    is_at_ease = _forward(network, tape, architecture, nonlinearity, given, delta, ends, is_counted)
    if is_counted and is_at_ease:
        _count(network, tape, architecture, nonlinearity, 0)
    if BACKWARD and is_at_ease:
        meet()
        is_at_ease = _backward(network, tape, architecture, nonlinearity, delta, x, slope, is_counted)
        if is_counted and is_at_ease:
            _count(network, tape, architecture, nonlinearity, 1)
    return is_at_ease


def walk(address, architecture, inputs, nonlinearity, results, scratch):
    """Networks blockIdx, blockIdx + gridDim, ... of a launch; ``scratch.floats`` has a row for each block.

    One input and normal weights only. Those that are left have a 1 in ``results.left``.
    """
    room = cuda.shared.array(ROOM, float32)
    delta = cuda.local.array(NUMBERS, float32)
    x = cuda.local.array(NUMBERS, float32)
    slope = cuda.local.array(NUMBERS, float32)
    ends = cuda.local.array(ENDS, float32)
    for m in range(FLATS):
        ends[2 * m], ends[2 * m + 1] = nonlinearity.flat[m, 0], nonlinearity.flat[m, 1]
    depth = architecture.width.size
    z = uint64(scratch.tape)
    kept = z + uint64(depth * scratch.longest)
    tape = Tape(scratch.floats[cuda.blockIdx.x], z, kept, uint64(scratch.longest))
    given = Given(_square_of_inputs(inputs, architecture.fan_in[0], room), int32(inputs.exponent))
    for i in range(cuda.blockIdx.x, address.networks, cuda.gridDim.x):
        network = begin(i, address, architecture, inputs, results, scratch, room)
        # of a network that is left nothing is counted here: whether it is, is seen first
        is_left, turns = False, 2 if network.is_counted else 1
        for turn in range(turns):
            if not is_left:
                is_left = not _both_passes(
                    network, tape, architecture, nonlinearity, given, (delta, x, slope, ends), turn == 1
                )
        if cuda.threadIdx.x == 0:
            results.left[uint64(i)] = 1 if is_left else 0
