"""A layer in the registers of the threads of a block: each thread has the same column groups of every layer.

A number of unit i of a group (see ``fill.py``) stands in the thread that made its normal, so that nothing but sums
crosses threads. Loops over a thread's groups are unrolled: registers have no addresses.
"""

from typing import NamedTuple

from ..body.elementary import ONE, ZERO
from ..body.scalars import uint32, uint64
from ._compile import cuda
from .bodies import absolute, first_four, normal_pair
from .fill import words_at
from .placeholders import FLATS, GROUPS, RAGGED, THREADS, phi_and_slope, sum_four, sum_one

# What is kept of a layer for the backward pass: x = UP phi(BY z) lacks 2^_X_LACKS and phi' 2^SLOPE_LACKS; its input
# has the square SQUARE 4^IN_LACKS and lacks 2^IN_LACKS itself.
BY, UP, SLOPE_LACKS, SQUARE, IN_LACKS = range(5)
KEPT = 5


class Tape(NamedTuple):
    """The ``floats`` of a block's scratch, and where they begin (unsigned: a negative index would be looked for).

    ``z``: the normals of every layer, ``stride`` numbers a layer; where networks are counted also their gradients, once
    the normals are done with. ``kept``: KEPT numbers of every layer.
    """

    floats: object
    z: object
    kept: object
    stride: object


class Shown(NamedTuple):
    """How phi is shown a layer: x = ``up`` phi(``by`` z) lacks 2^x_exponent, and phi' 2^slope_exponent."""

    by: object
    up: object
    x_exponent: object
    slope_exponent: object


class Sums(NamedTuple):
    """Of z, z^2, z^4, x, x^2, x^4, |x|, active and saturated units."""

    z_one: object
    z_two: object
    z_four: object
    x_one: object
    x_two: object
    x_four: object
    x_size: object
    active: object
    saturated: object


def groups_of_units(n):
    """Column groups of a layer."""
    return uint64((n + 3) >> 2)


def group_of_thread(q):
    """The number of this thread's column group q."""
    return uint64(q * THREADS) + uint64(cuda.threadIdx.x)


def fill_groups(values, n, stream):
    """A thread's normals of row 0."""
    groups = groups_of_units(n)
    for q in range(GROUPS):
        g = group_of_thread(q)
        if uint32(g) < uint32(groups):
            a, b, c, d = words_at(g, 0, stream)
            values[4 * q], values[4 * q + 1] = normal_pair(a, b)
            values[4 * q + 2], values[4 * q + 3] = normal_pair(c, d)


def store_groups(values, n, tape, layer):
    """A layer's numbers into the tape, in the order of the units. No barrier."""
    groups, at = groups_of_units(n), tape.z + layer * tape.stride
    for q in range(GROUPS):
        g = group_of_thread(q)
        if uint32(g) < uint32(groups):
            for j in range(4):
                i = uint64(j) * groups + g
                if not RAGGED or i < uint64(n):
                    tape.floats[at + i] = values[4 * q + j]


def show_groups(z, shown, n, nonlinearity, ends, room):
    """The ``Sums`` of a layer."""
    groups, saturation = groups_of_units(n), nonlinearity.saturation
    is_unbounded = saturation == ZERO
    z_one, z_two, z_four, x_one = ZERO, ZERO, ZERO, ZERO
    x_two, x_four, x_size, active, saturated = ZERO, ZERO, ZERO, ZERO, ZERO
    for q in range(GROUPS):
        g = group_of_thread(q)
        if uint32(g) < uint32(groups):
            for j in range(4):
                if not RAGGED or uint64(j) * groups + g < uint64(n):
                    first, square, fourth = first_four(z[4 * q + j])
                    z_one += first
                    z_two += square
                    z_four += fourth
                    v = shown.by * first
                    y, slope = phi_and_slope(v, nonlinearity.parameter)
                    first, square, fourth = first_four(shown.up * y)
                    x_one += first
                    x_two += square
                    x_four += fourth
                    x_size += absolute(first)
                    is_flat = False
                    for m in range(FLATS):
                        is_flat = is_flat | ((v >= ends[2 * m]) & (v <= ends[2 * m + 1]))
                    active += ZERO if is_flat else ONE
                    saturated += ONE if (absolute(slope) < saturation) | (is_unbounded & is_flat) else ZERO
    z_one, z_two, z_four, x_one = sum_four(z_one, z_two, z_four, x_one, room)
    x_two, x_four, x_size, active = sum_four(x_two, x_four, x_size, active, room)
    return Sums(z_one, z_two, z_four, x_one, x_two, x_four, x_size, active, sum_one(saturated, room))


def dot_groups(a, b, n, room):
    """a . b of a layer."""
    groups, total = groups_of_units(n), ZERO
    for q in range(GROUPS):
        g = group_of_thread(q)
        if uint32(g) < uint32(groups):
            for j in range(4):
                if not RAGGED or uint64(j) * groups + g < uint64(n):
                    total += a[4 * q + j] * b[4 * q + j]
    return sum_one(total, room)


def dot_with_z(tape, layer, b, n, room):
    """z . b of a layer."""
    groups, total, at = groups_of_units(n), ZERO, tape.z + layer * tape.stride
    for q in range(GROUPS):
        g = group_of_thread(q)
        if uint32(g) < uint32(groups):
            for j in range(4):
                i = uint64(j) * groups + g
                if not RAGGED or i < uint64(n):
                    total += tape.floats[at + i] * b[4 * q + j]
    return sum_one(total, room)


def see_groups_again(tape, layer, n, nonlinearity, x, slope):
    """x and phi' of a layer."""
    groups, at, kept = groups_of_units(n), tape.z + layer * tape.stride, tape.kept + layer * uint64(KEPT)
    by, up = tape.floats[kept + uint64(BY)], tape.floats[kept + uint64(UP)]
    for q in range(GROUPS):
        g = group_of_thread(q)
        if uint32(g) < uint32(groups):
            for j in range(4):
                i = uint64(j) * groups + g
                if not RAGGED or i < uint64(n):
                    y, slope[4 * q + j] = phi_and_slope(by * tape.floats[at + i], nonlinearity.parameter)
                    x[4 * q + j] = up * y


def combine_groups(delta, x, slope, n, of_both, room):
    """(of_normals delta + of_x x) slope in the place of delta; returns its sum of squares."""
    groups, total, (of_normals, of_x) = groups_of_units(n), ZERO, of_both
    for q in range(GROUPS):
        g = group_of_thread(q)
        if uint32(g) < uint32(groups):
            for j in range(4):
                if not RAGGED or uint64(j) * groups + g < uint64(n):
                    m = 4 * q + j
                    v = (of_normals * delta[m] + of_x * x[m]) * slope[m]
                    delta[m] = v
                    total += v * v
    return sum_one(total, room)


def are_groups_zero(values, n, room):
    """Whether all of a layer is zero."""
    groups, others = groups_of_units(n), ZERO
    for q in range(GROUPS):
        g = group_of_thread(q)
        if uint32(g) < uint32(groups):
            for j in range(4):
                if not RAGGED or uint64(j) * groups + g < uint64(n):
                    others += ZERO if values[4 * q + j] == ZERO else ONE
    return sum_one(others, room) == ZERO
