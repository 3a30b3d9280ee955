"""Products of a layer's weights with K inputs by tensor cores, the weights born in the fragments that these multiply.

In C += A B (m16n8k8) a lane of a warp holds the rows g and g + 8 of A at the places t and t + 4 of the sum, with
g = lane / 4 and t = lane mod 4 (see ``instructions.py``). That is what one lane makes: a counter's four weights are of
one row and four columns, which are places of a sum going forward, A = W, and rows of A = W^T going back. So a weight
goes from its words into the product without memory between, for the price of an instruction for 8 inputs.

Float32 is kept by halves: a number is its 11 leading bits and the rest, and three products of halves are added. A
tensor core rounds its sums towards zero, which would take 7e-6 of a second moment in every layer: each step begins at
zero, and steps are added outside (docs/cuda.md). The inputs' halves lie side by side in shared memory, in rows of
4 more than a multiple of 8, which no two lanes read from one bank.
"""

from ..body.elementary import ZERO
from ..body.scalars import float32, int32, uint32, uint64
from ._compile import bits_of, cuda, float_of
from .fill import first_column, groups_of, weights_of_unit, words_at
from .placeholders import (
    BACKWARD_SUMS,
    BATCH,
    BITS,
    FORWARD_SUMS,
    STEPS,
    STRIDE,
    THREADS,
    TILED_INPUTS,
    multiply_add,
    weight_four,
)

# Up to two inputs a thread multiplies its weights itself in as few instructions.
LEAST_INPUTS = 3
STAGE_BYTES = 34 << 10
# Tiles of 8 inputs that are multiplied at a time: their sums fill a thread's registers.
_MOST_TILES = 8
_WARP = 32
_HIGH = int32(-8192)  # without its 13 last bits a float32 is what a tensor core sees of it
_UPPER = uint64(32)
_NOTHING = (ZERO, ZERO, ZERO, ZERO)


def shape_for(batch):
    """What the names of ``placeholders`` for tensor cores are for so many inputs."""
    tiles = -(-batch // 8)
    tiles = -(-tiles // -(-tiles // _MOST_TILES))  # as evenly as may be
    stride = 8 * tiles + 4
    return {
        "TILED_INPUTS": 8 * tiles,
        "STRIDE": stride,
        "STEPS": STAGE_BYTES // (8 * 16 * stride),
        "FORWARD_SUMS": 4 * tiles,
        "BACKWARD_SUMS": 8 * tiles,
    }


def has_many_sums(batch):
    """Whether the sums of a thread need more registers than those of a few inputs."""
    return batch > 16


def _high(v):
    return float_of(int32(bits_of(v) & _HIGH))


def _stage(stage, slot, k, v, w):
    """The two numbers of input k that a lane holds of B: leading bits as one word, and the rest as one four rows on."""
    high, other_high = _high(v), _high(w)
    at = uint64((slot // 4 * 8 + slot % 4) * STRIDE + k)
    stage[at] = _pair(high, other_high)
    stage[at + uint64(4 * STRIDE)] = _pair(v - high, w - other_high)


def _pair(v, w):
    return uint64(uint32(bits_of(v))) | uint64(uint32(bits_of(w))) << _UPPER


def _numbers_in(pair):
    return float_of(int32(uint32(pair))), float_of(int32(uint32(pair >> _UPPER)))


def _split(a, b, c, d):
    """Four weights as a fragment of their leading bits and one of the rest."""
    high = _high(a), _high(b), _high(c), _high(d)
    return high, (a - high[0], b - high[1], c - high[2], d - high[3])


def _multiply_halves(c, high, low, stage, at):
    """C + A B of the halves of weights and what is staged at ``at``: the small products first."""
    of_high, of_low = _numbers_in(stage[at]), _numbers_in(stage[at + uint64(4 * STRIDE)])
    if BITS == 1:  # signs are their leading bits
        c = multiply_add(c, low, of_high)
    c = multiply_add(c, high, of_low)
    return multiply_add(c, high, of_high)


def _stage_columns(stage, x, n_in, first, steps, first_input):
    """The inputs that ``steps`` steps from ``first`` on take, in the order in which lanes ask for them."""
    groups = groups_of(n_in)
    for task in range(cuda.threadIdx.x, steps * 8 * TILED_INPUTS, THREADS):
        slot, k = task // TILED_INPUTS, task % TILED_INPUTS
        step = first + slot // 8
        group = step // BITS * 4 + slot % 4
        column = group + (step % BITS * 4 + slot // 4 % 2 * 2) * groups
        at = uint64(column * BATCH + first_input + k)
        inside = group < groups and first_input + k < BATCH
        v = x[at] if inside and column < n_in else ZERO
        w = x[at + uint64(groups * BATCH)] if inside and column + groups < n_in else ZERO
        _stage(stage, slot, k, v, w)


def _stage_rows(stage, delta, n, first, rows, first_input):
    """``rows`` rows of delta from ``first`` on, those beyond n as zeros."""
    for task in range(cuda.threadIdx.x, rows // 2 * TILED_INPUTS, THREADS):
        slot, k = task // TILED_INPUTS, task % TILED_INPUTS
        row = first + slot // 4 * 8 + slot % 4
        at = uint64(row * BATCH + first_input + k)
        inside = first_input + k < BATCH
        v = delta[at] if inside and row < n else ZERO
        w = delta[at + uint64(4 * BATCH)] if inside and row + 4 < n else ZERO
        _stage(stage, slot, k, v, w)


def _multiply_staged(stage, sums, row, first, steps, stream):
    """Add what ``steps`` steps from ``first`` on give rows ``row`` and ``row`` + 8 to the ``sums`` of a thread."""
    lane = uint32(cuda.threadIdx.x % _WARP)
    place = uint64(lane % 4 * STRIDE + lane // 4)
    a, b, c, d = uint32(0), uint32(0), uint32(0), uint32(0)
    e, f, i, j = uint32(0), uint32(0), uint32(0), uint32(0)
    for step in range(int32(first), int32(first + steps)):
        bit = step % BITS
        if BITS == 1 or bit == 0 or step == first:
            group = step // BITS * 4 + lane % 4
            a, b, c, d = words_at(group, row, stream)
            e, f, i, j = words_at(group, row + 8, stream)
        w0, w1, w2, w3 = weight_four(a, b, c, d, bit)
        v0, v1, v2, v3 = weight_four(e, f, i, j, bit)
        high, low = _split(w0, v0, w1, v1)
        other_high, other_low = _split(w2, v2, w3, v3)
        for tile in range(TILED_INPUTS // 8):
            at = place + uint64(8 * tile)
            part = _multiply_halves(_NOTHING, high, low, stage, at)
            part = _multiply_halves(part, other_high, other_low, stage, at + uint64(8 * STRIDE))
            for q in range(4):
                sums[4 * tile + q] += part[q]
        place += uint64(16 * STRIDE)


def multiply_by_cores(stage, x, h, n_in, n, std, stream):
    """h = std W x, for BATCH inputs; a warp has 16 rows, and takes 16 columns a step. ``stage`` is shared memory."""
    warp, lane = cuda.threadIdx.x // _WARP, cuda.threadIdx.x % _WARP
    sums = cuda.local.array(FORWARD_SUMS, float32)
    steps = (groups_of(n_in) + 3) // 4 * BITS
    for first_row in range(16 * warp, n + 16 * warp, THREADS // 2):
        row = first_row + lane // 4
        for first_input in range(0, BATCH, TILED_INPUTS):
            for q in range(FORWARD_SUMS):
                sums[q] = ZERO
            for first in range(0, steps, STEPS):
                taken = steps - first if steps - first < STEPS else STEPS
                cuda.syncthreads()
                _stage_columns(stage, x, n_in, first, taken, first_input)
                cuda.syncthreads()
                if first_row < n:
                    _multiply_staged(stage, sums, row, first, taken, stream)
            for q in range(FORWARD_SUMS):
                k = first_input + q // 4 * 8 + lane % 4 * 2 + q % 2
                to = row + q // 2 % 2 * 8
                if to < n and k < BATCH:
                    h[to * BATCH + k] = std * sums[q]
    cuda.syncthreads()


def _multiply_staged_transposed(stage, sums, unit, first, rows, source):
    """Add what ``rows`` rows from ``first`` on give the four columns of each of a warp's units to ``sums``."""
    groups, stream = source
    lane = uint32(cuda.threadIdx.x % _WARP)
    place = uint64(lane % 4 * STRIDE + lane // 4)
    group, bit = unit % groups, unit // groups
    for row in range(int32(first + lane % 4), int32(first + rows), 8):
        w0, w1, w2, w3 = weights_of_unit(group, bit, row, stream)
        v0, v1, v2, v3 = weights_of_unit(group, bit, row + 4, stream)
        high, low = _split(w0, w1, v0, v1)
        other_high, other_low = _split(w2, w3, v2, v3)
        for tile in range(TILED_INPUTS // 8):
            at = place + uint64(8 * tile)
            part = _multiply_halves(_NOTHING, high, low, stage, at)
            other = _multiply_halves(_NOTHING, other_high, other_low, stage, at)
            for q in range(4):
                sums[8 * tile + q] += part[q]
                sums[8 * tile + 4 + q] += other[q]
        place += uint64(8 * STRIDE)


def multiply_transposed_by_cores(stage, delta, y, n_in, n, stream):
    """y = W^T delta, for BATCH inputs; a warp has 8 units of four columns, and takes 8 rows a step."""
    warp, lane = cuda.threadIdx.x // _WARP, cuda.threadIdx.x % _WARP
    sums = cuda.local.array(BACKWARD_SUMS, float32)
    groups = groups_of(n_in)
    units = groups * BITS
    for first_unit in range(8 * warp, units + 8 * warp, THREADS // 4):
        unit = first_unit + lane // 4
        for first_input in range(0, BATCH, TILED_INPUTS):
            for q in range(BACKWARD_SUMS):
                sums[q] = ZERO
            for first in range(0, n, 16 * STEPS):
                rows = (n - first + 7) // 8 * 8 if n - first < 16 * STEPS else 16 * STEPS
                cuda.syncthreads()
                _stage_rows(stage, delta, n, first, rows, first_input)
                cuda.syncthreads()
                if first_unit < units:
                    _multiply_staged_transposed(stage, sums, unit, first, rows, (groups, stream))
            for q in range(BACKWARD_SUMS):
                k = first_input + q // 8 * 8 + lane % 4 * 2 + q % 2
                column = first_column(unit, groups) + q // 2 % 4 * groups
                if unit < units and column < n_in and k < BATCH:
                    y[column * BATCH + k] = sums[q]
    cuda.syncthreads()
