"""Sums over a block of threads in one fixed order, in float32 with a power of two beside them.

Every thread of the block calls each of these, and every thread gets the result. ``room`` is shared float32 of
4 THREADS numbers. Each function begins with a barrier, so that ``room`` may still be read from before.
"""

import math

from ..body.elementary import EXPONENT_BIAS, MANTISSA_BITS, ZERO
from ..body.scalars import float32, int32
from ..recorded import BINS, REACH
from ._compile import bits_of, cuda
from .bodies import absolute, first_four, power_of_two, square_root
from .placeholders import BATCH, LANES, PARTS, THREADS, meet, sum_four, sum_one

_WARP = 32
_ALL_LANES = 0xFFFFFFFF
_NOT_A_NUMBER = float32(math.nan)
# Exponents end here, as on the processor.
LAST_EXPONENT = 1 << 28
BINS_PER_UNIT = float32((BINS - 2) / (2.0 * REACH))
_LOWEST_BIN = float32(0.5)
_HIGHEST_BIN = float32(BINS - 0.5)
_MIDDLE_BIN = float32(BINS // 2)
_MOST_SHIFT = 120
# Sums of squares between these are taken as they are: the sum of fourth powers is inside float32 too, and so is the
# product of two of them.
LEAST = float32(2.0**-40)
MOST = float32(2.0**50)
LARGEST_EXPONENT = int32(126)


def clipped(exponent, most):
    """``exponent`` as int32 within +-most."""
    e = exponent if exponent < most else most
    return int32(e if e > -most else -most)


def factors(exponent):
    """Two float32 whose product is 2^exponent, as far as float32 goes: one alone would not reach as far."""
    e = clipped(exponent, 252)
    half = int32(e >> int32(1))
    return power_of_two(half), power_of_two(int32(e - half))


def rescale(values, length, exponent):
    """Multiply by 2^exponent in place; zero and infinity where that leaves float32. No barrier."""
    low, high = factors(exponent)
    for i in range(cuda.threadIdx.x, length, THREADS):
        values[i] = values[i] * low * high


def fold(room, quantities, lanes, parts):
    """room[q THREADS + k] = sum over p < parts of room[q THREADS + p lanes + k], by halving, for k < lanes.

    Begins and ends with a barrier.
    """
    t = cuda.threadIdx.x
    meet()
    left = parts
    while left > 1:
        half = (left + 1) // 2
        if t < (left - half) * lanes:
            for q in range(quantities):
                room[q * THREADS + t] += room[q * THREADS + t + half * lanes]
        meet()
        left = half


def meet_as_block():
    """Wait for all threads, and see what they wrote."""
    cuda.syncthreads()


def meet_as_warp():
    """The same where a block is one warp."""
    cuda.syncwarp()


def _sum_across(v):
    """The sum of ``v`` over a warp, by exchange of registers; every thread gets it."""
    step = _WARP // 2
    while step > 0:
        v += cuda.shfl_xor_sync(_ALL_LANES, v, step)
        step //= 2
    return v


def sum_one_in_warp(v, room):
    """A sum where a block is one warp: nothing is shared and nobody waits."""
    return _sum_across(v)


def sum_four_in_warp(a, b, c, d, room):
    """Four sums where a block is one warp."""
    return _sum_across(a), _sum_across(b), _sum_across(c), _sum_across(d)


def sum_one_by_tree(v, room):
    """A sum by halving in shared memory: for the simulator, which has no warps."""
    meet()
    room[cuda.threadIdx.x] = v
    fold(room, 1, 1, THREADS)
    return room[0]


def sum_four_by_tree(a, b, c, d, room):
    """Four sums at once, by halving in shared memory: for the simulator, which has no warps."""
    t = cuda.threadIdx.x
    meet()
    room[t] = a
    room[THREADS + t] = b
    room[2 * THREADS + t] = c
    room[3 * THREADS + t] = d
    fold(room, 4, 1, THREADS)
    return room[0], room[THREADS], room[2 * THREADS], room[3 * THREADS]


def sum_one_by_warps(v, room):
    """A sum within warps by exchange of registers, then over warps; THREADS is a multiple of 32."""
    t = cuda.threadIdx.x
    v = _sum_across(v)
    meet()
    if t % _WARP == 0:
        room[t // _WARP] = v
    meet()
    v = room[0]
    for warp in range(1, THREADS // _WARP):
        v += room[warp]
    return v


def sum_four_by_warps(a, b, c, d, room):
    """Four sums at once in the same way."""
    t = cuda.threadIdx.x
    a, b, c, d = sum_four_in_warp(a, b, c, d, room)
    meet()
    if t % _WARP == 0:
        at = t // _WARP * 4
        room[at] = a
        room[at + 1] = b
        room[at + 2] = c
        room[at + 3] = d
    meet()
    a, b, c, d = room[0], room[1], room[2], room[3]
    for warp in range(1, THREADS // _WARP):
        a += room[4 * warp]
        b += room[4 * warp + 1]
        c += room[4 * warp + 2]
        d += room[4 * warp + 3]
    return a, b, c, d


def _column_sums(value, room):
    """room[k] = sum of ``value`` over the threads p LANES + k, p < PARTS, for each k < LANES; ends with a barrier."""
    t = cuda.threadIdx.x
    if LANES == 1:
        total = sum_one(value, room)
        meet()
        if t == 0:
            room[0] = total
        meet()
        return
    meet()
    room[t] = value
    fold(room, 1, LANES, PARTS)


def column_dots(a, j, b, first, end, factor, out, room):
    """out[k] = factor sum over first <= i < end of a[i BATCH + j] b[i BATCH + k], for each k < BATCH."""
    t = cuda.threadIdx.x
    for start in range(0, BATCH, LANES):
        k = start + t % LANES
        total = ZERO
        if k < BATCH and t < LANES * PARTS:
            for i in range(first + t // LANES, end, PARTS):
                total += a[i * BATCH + j] * b[i * BATCH + k]
        _column_sums(total, room)
        if t < LANES and start + t < BATCH:
            out[start + t] = room[t] * factor
    meet()


def column_squares(values, n, scale, out, room):
    """out[k] = sum over i < n of (scale values[i BATCH + k])^2, for each k < BATCH."""
    t = cuda.threadIdx.x
    for start in range(0, BATCH, LANES):
        k = start + t % LANES
        total = ZERO
        if k < BATCH and t < LANES * PARTS:
            for i in range(t // LANES, n, PARTS):
                v = values[i * BATCH + k] * scale
                total += v * v
        _column_sums(total, room)
        if t < LANES and start + t < BATCH:
            out[start + t] = room[t]
    meet()


def binary_exponent(x):
    """floor(log2 x) of a positive normal float32, as int32."""
    return int32(int32(bits_of(x) >> MANTISSA_BITS) - EXPONENT_BIAS)


def exponent_of(mean_square):
    """The power of two nearest below the root of a mean square; 0 where it is zero or not finite."""
    if mean_square > ZERO and mean_square < float32(math.inf):
        return int32(binary_exponent(mean_square) >> int32(1))
    return int32(0)


def largest_of(value, room):
    """The largest ``value`` of any thread."""
    t = cuda.threadIdx.x
    meet()
    room[t] = value
    meet()
    left = THREADS
    while left > 1:
        half = (left + 1) // 2
        if t < left - half and room[t + half] > room[t]:
            room[t] = room[t + half]
        meet()
        left = half
    return room[0]


def largest_size(values, length, room):
    """The largest of |values|."""
    largest = ZERO
    for e in range(cuda.threadIdx.x, length, THREADS):
        size = absolute(values[e])
        largest = size if size > largest else largest
    return largest_of(largest, room)


def _exponent_of_largest(values, length, room):
    """The power of two below the largest of |values|; 0 where all are zero or one is infinite."""
    largest = largest_size(values, length, room)
    if largest > ZERO and largest < float32(math.inf):
        e = binary_exponent(largest)
        e = e if e > -LARGEST_EXPONENT else int32(-LARGEST_EXPONENT)
        return e if e < LARGEST_EXPONENT else LARGEST_EXPONENT
    return int32(0)


def sums_of_powers(values, length, guess, room):
    """Sums of v, v^2, v^4 and |v| of v = values 2^-e, and e: the guess (int32), or that of the largest if it is bad."""
    e = guess
    is_guess = True
    while True:
        scale = power_of_two(int32(-e))
        one, two, four, size = ZERO, ZERO, ZERO, ZERO
        for i in range(cuda.threadIdx.x, length, THREADS):
            v, square, fourth = first_four(values[i] * scale)
            one += v
            two += square
            four += fourth
            size += absolute(v)
        one, two, four, size = sum_four(one, two, four, size, room)
        if (two > LEAST and two < MOST) or not is_guess:
            return one, two, four, size, e
        e = _exponent_of_largest(values, length, room)
        is_guess = False


def squared_directions(h, squares, n, group, scale, room):
    """Sum over groups of ``group`` consecutive inputs of |sum of h_k / |h_k||^2; NaN where an input is zero.

    ``squares`` holds the sums of squares of ``scale`` h of each input, and is scratch then.
    |sum of g unit vectors|^2 = g + 2 (sum of the cosines of their pairs).
    """
    t = cuda.threadIdx.x
    for k in range(t, BATCH, THREADS):
        squares[k] = scale / square_root(squares[k]) if squares[k] > ZERO else _NOT_A_NUMBER
    meet()
    groups = BATCH // group
    total = ZERO
    for task in range(t, n * groups, THREADS):
        first = task % groups * group
        at = task // groups * BATCH + first
        direction = ZERO
        for k in range(group):
            direction += h[at + k] * squares[first + k]
        total += direction * direction
    return sum_one(total, room)


def bins_per_unit(exponent, unit_exponent):
    """What numbers that carry ``exponent`` are multiplied by for bins whose unit is 2**unit_exponent."""
    return power_of_two(clipped(exponent - unit_exponent, _MOST_SHIFT)) * BINS_PER_UNIT


def count_one(counts, v):
    """Add a number of bins from the middle to a layer's counts; NaN goes to the first bin."""
    place = v + _MIDDLE_BIN
    place = place if place > _LOWEST_BIN else _LOWEST_BIN
    place = place if place < _HIGHEST_BIN else _HIGHEST_BIN
    cuda.atomic.add(counts, int32(place), int32(1))


def count(counts, values, length, exponent, unit_exponent):
    """Add ``values * 2**exponent`` to the bins of a layer whose unit is 2**unit_exponent. No barrier."""
    scale = bins_per_unit(exponent, unit_exponent)
    for e in range(cuda.threadIdx.x, length, THREADS):
        count_one(counts, values[e] * scale)
