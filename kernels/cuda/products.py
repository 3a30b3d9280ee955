"""Products of a layer's weights with K inputs, the weights made where they are multiplied and kept nowhere.

Few inputs: a thread makes a weight in registers and multiplies it at once; a thread has a row (forward) or a unit of
four columns (backward), so that nothing is summed across threads but the few shares of one row. Many inputs: tiles of
weights in shared memory, made once and multiplied with up to MINE_COLUMNS x TILE_COLUMNS inputs; where there are
tensor cores, these (see ``tensor.py``).
"""

from ..body.elementary import ZERO
from ..body.scalars import float32, int32, uint32, uint64
from ._compile import cuda
from .fill import first_column, groups_of, padded, weights_of_unit, words_at
from .placeholders import (
    BATCH,
    BITS,
    FEW,
    FOUR_BATCH,
    MINE,
    MINE_COLUMNS,
    MINE_ROWS,
    TENSOR,
    THREADS,
    TILE_COLUMNS,
    TILE_ROWS,
    TILE_UNITS,
    TWO_BATCH,
    WEIGHT_TILE,
    weight_four,
)
from .tensor import multiply_by_cores, multiply_transposed_by_cores

# Up to this many inputs a thread multiplies a weight while it is in a register.
FEW_INPUTS = 8
_MOST_SHARES = 8
_TWO, _THREE, _FOUR = uint64(2), uint64(3), uint64(4)


def multiply(tiles, x, h, n_in, n, std, stream):
    """h = std W x, for BATCH inputs; ``tiles`` is shared memory for one tile of weights and one of x.

    x has room up to the padded length of a row of weights.
    """
    if TENSOR:
        multiply_by_cores(tiles, x, h, n_in, n, std, stream)
    elif FEW:
        for e in range(n_in * BATCH + cuda.threadIdx.x, padded(n_in, 4 * BITS) * BATCH, THREADS):
            x[e] = ZERO
        cuda.syncthreads()
        _multiply_few(x, h, n_in, n, std, stream)
    else:
        _multiply_many(tiles, x, h, n_in, n, std, stream)


def multiply_transposed(tiles, delta, y, n_in, n, stream):
    """y = W^T delta, for BATCH inputs; ``tiles`` as in ``multiply``."""
    if TENSOR:
        multiply_transposed_by_cores(tiles, delta, y, n_in, n, stream)
    elif FEW:
        _multiply_transposed_few(delta, y, n_in, n, stream)
    else:
        _multiply_transposed_many(tiles, delta, y, n_in, n, stream)


def _shares_of(tasks):
    """How many threads share the sum of each of some ``tasks``."""
    shares = THREADS // tasks
    shares = shares if shares < _MOST_SHARES else _MOST_SHARES
    return int32(shares if shares > 1 else 1)


def _multiply_few(x, h, n_in, n, std, stream):
    """h = std W x, for BATCH inputs; x is padded with zeros up to the length of a row of weights.

    A thread has two rows, which halves what it reads of x and fills the time that a word takes to be made.
    """
    groups, half = int32(groups_of(n_in)), (n + 1) // 2
    shares = _shares_of(half)
    t = int32(cuda.threadIdx.x)
    share = int32(t // half)
    step = uint64(groups * BATCH)
    mine = cuda.local.array(TWO_BATCH, float32)
    for first in range(0, half, THREADS):
        row = first + t - share * half if shares > 1 else first + t
        for k in range(2 * BATCH):
            mine[k] = ZERO
        busy = row < half and (shares == 1 or share < shares)
        if busy:
            for g in range(share if shares > 1 else int32(0), groups, shares):
                a, b, c, d = words_at(g, row, stream)
                e, f, i, j = words_at(g, row + half, stream)
                at = uint64(g * BATCH)
                for bit in range(BITS):
                    w0, w1, w2, w3 = weight_four(a, b, c, d, bit)
                    v0, v1, v2, v3 = weight_four(e, f, i, j, bit)
                    for k in range(BATCH):
                        # unsigned: a signed index is looked at for counting from the end
                        p = at + uint64(k)
                        x0, x1, x2, x3 = x[p], x[p + step], x[p + _TWO * step], x[p + _THREE * step]
                        mine[k] = (((mine[k] + w0 * x0) + w1 * x1) + w2 * x2) + w3 * x3
                        mine[BATCH + k] = (((mine[BATCH + k] + v0 * x0) + v1 * x1) + v2 * x2) + v3 * x3
                    at += _FOUR * step
        for turn in range(shares):
            if turn > 0:
                cuda.syncthreads()
            if busy and (shares == 1 or share == turn):
                for k in range(BATCH):
                    before = ZERO if turn == 0 else h[row * BATCH + k]
                    h[row * BATCH + k] = before + std * mine[k]
                    if row + half < n:
                        at_other = (row + half) * BATCH + k
                        before = ZERO if turn == 0 else h[at_other]
                        h[at_other] = before + std * mine[BATCH + k]
    cuda.syncthreads()


def _multiply_transposed_few(delta, y, n_in, n, stream):
    """y = W^T delta, for BATCH inputs; a thread has a unit of four columns, and takes two rows at a time."""
    groups = groups_of(n_in)
    units = groups * BITS
    shares = _shares_of(units)
    t = int32(cuda.threadIdx.x)
    share = int32(t // units)
    mine = cuda.local.array(FOUR_BATCH, float32)
    for first in range(0, units, THREADS):
        unit = first + t - share * units if shares > 1 else first + t
        for k in range(4 * BATCH):
            mine[k] = ZERO
        column = first_column(unit, groups)
        busy = unit < units and (shares == 1 or share < shares) and column < n_in
        if busy:
            group, bit = uint32(unit % groups), unit // groups
            for row in range(int32(2 * share) if shares > 1 else int32(0), int32(n), int32(2 * shares)):
                w0, w1, w2, w3 = weights_of_unit(group, bit, row, stream)
                v0, v1, v2, v3 = weights_of_unit(group, bit, row + 1, stream)
                has_other = row + 1 < n
                for k in range(BATCH):
                    at = uint64(row * BATCH + k)
                    d = delta[at]
                    e = delta[at + uint64(BATCH)] if has_other else ZERO
                    mine[k] = (mine[k] + w0 * d) + v0 * e
                    mine[BATCH + k] = (mine[BATCH + k] + w1 * d) + v1 * e
                    mine[2 * BATCH + k] = (mine[2 * BATCH + k] + w2 * d) + v2 * e
                    mine[3 * BATCH + k] = (mine[3 * BATCH + k] + w3 * d) + v3 * e
        for turn in range(shares):
            if busy and (shares == 1 or share == turn):
                for j in range(4):
                    at = column + j * groups
                    if at < n_in:
                        for k in range(BATCH):
                            before = ZERO if turn == 0 else y[at * BATCH + k]
                            y[at * BATCH + k] = before + mine[j * BATCH + k]
            cuda.syncthreads()
    cuda.syncthreads()


def _put_unit(weights, at, step, is_inside, unit, groups, row, stream):
    """The four weights of a unit into a tile, ``step`` numbers apart; zeros outside the matrix."""
    w0, w1, w2, w3 = ZERO, ZERO, ZERO, ZERO
    if is_inside:
        w0, w1, w2, w3 = weights_of_unit(unit % groups, unit // groups, row, stream)
    weights[at] = w0
    weights[at + step] = w1
    weights[at + 2 * step] = w2
    weights[at + 3 * step] = w3


def _multiply_tiles(weights, vectors, mine):
    """Add the product of two tiles to ``mine``, a thread's share of it: 4 TILE_UNITS rows of each."""
    t = cuda.threadIdx.x
    tall, wide = TILE_ROWS * MINE_ROWS, TILE_COLUMNS * MINE_COLUMNS
    my_row, my_column = t // TILE_COLUMNS, t % TILE_COLUMNS
    for q in range(4 * TILE_UNITS):
        for i in range(MINE_ROWS):
            w = weights[uint32(q * tall + my_row + i * TILE_ROWS)]
            for j in range(MINE_COLUMNS):
                v = vectors[uint32(q * wide + my_column + j * TILE_COLUMNS)]
                mine[i * MINE_COLUMNS + j] += w * v


def _multiply_many(tiles, x, h, n_in, n, std, stream):
    """h = std W x, for any number of inputs; ``tiles`` is shared memory for one tile of weights and one of x."""
    weights, vectors = tiles[:WEIGHT_TILE], tiles[WEIGHT_TILE:]
    mine = cuda.local.array(MINE, float32)
    t = cuda.threadIdx.x
    tall, wide = TILE_ROWS * MINE_ROWS, TILE_COLUMNS * MINE_COLUMNS
    my_row, my_column = t // TILE_COLUMNS, t % TILE_COLUMNS
    groups = groups_of(n_in)
    units = groups * BITS
    for first_row in range(0, n, tall):
        for first_input in range(0, BATCH, wide):
            for i in range(MINE):
                mine[i] = ZERO
            for first_unit in range(0, units, TILE_UNITS):
                cuda.syncthreads()
                for task in range(t, tall * TILE_UNITS, THREADS):
                    row, unit = first_row + task % tall, first_unit + task // tall
                    at = task // tall * 4 * tall + task % tall
                    inside = row < n and unit < units
                    _put_unit(weights, at, tall, inside, unit, groups, row, stream)
                for task in range(t, 4 * TILE_UNITS * wide, THREADS):
                    q, k = task // wide, first_input + task % wide
                    unit = first_unit + q // 4
                    column = first_column(unit, groups) + q % 4 * groups
                    inside = unit < units and column < n_in and k < BATCH
                    vectors[task] = x[column * BATCH + k] if inside else ZERO
                cuda.syncthreads()
                _multiply_tiles(weights, vectors, mine)
            for i in range(MINE_ROWS):
                row = first_row + my_row + i * TILE_ROWS
                for j in range(MINE_COLUMNS):
                    k = first_input + my_column + j * TILE_COLUMNS
                    if row < n and k < BATCH:
                        h[row * BATCH + k] = std * mine[i * MINE_COLUMNS + j]
    cuda.syncthreads()


def _multiply_transposed_many(tiles, delta, y, n_in, n, stream):
    """y = W^T delta, for any number of inputs: a tile has TILE_ROWS MINE_ROWS columns and 4 TILE_UNITS rows."""
    weights, vectors = tiles[:WEIGHT_TILE], tiles[WEIGHT_TILE:]
    mine = cuda.local.array(MINE, float32)
    t = cuda.threadIdx.x
    tall, wide, deep = TILE_ROWS * MINE_ROWS, TILE_COLUMNS * MINE_COLUMNS, 4 * TILE_UNITS
    own = tall // 4  # units whose columns make a tile
    my_row, my_column = t // TILE_COLUMNS, t % TILE_COLUMNS
    groups = groups_of(n_in)
    units = groups * BITS
    for first_unit in range(0, units, own):
        for first_input in range(0, BATCH, wide):
            for i in range(MINE):
                mine[i] = ZERO
            for first_row in range(0, n, deep):
                cuda.syncthreads()
                for task in range(t, own * deep, THREADS):
                    unit, row = first_unit + task % own, first_row + task // own
                    at = task // own * tall + task % own
                    inside = row < n and unit < units
                    _put_unit(weights, at, own, inside, unit, groups, row, stream)
                for task in range(t, deep * wide, THREADS):
                    row, k = first_row + task // wide, first_input + task % wide
                    vectors[task] = delta[row * BATCH + k] if row < n and k < BATCH else ZERO
                cuda.syncthreads()
                _multiply_tiles(weights, vectors, mine)
            for i in range(MINE_ROWS):
                place_in_tile = my_row + i * TILE_ROWS
                unit = first_unit + place_in_tile % own
                column = first_column(unit, groups) + place_in_tile // own * groups
                for j in range(MINE_COLUMNS):
                    k = first_input + my_column + j * TILE_COLUMNS
                    if unit < units and column < n_in and k < BATCH:
                        y[column * BATCH + k] = mine[i * MINE_COLUMNS + j]
    cuda.syncthreads()
