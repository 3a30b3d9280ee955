"""Products of a layer's weights with K inputs, the weights made where they are multiplied and kept nowhere.

Few inputs: a thread makes a weight in registers and multiplies it at once; a thread has a row (forward) or a unit of
four columns (backward), so that nothing is summed across threads but the few shares of one row. Many inputs: tiles of
weights in shared memory, made once and multiplied with up to MINE_COLUMNS x TILE_COLUMNS inputs.
"""

from ..body.elementary import ZERO
from ..body.scalars import float32, uint32
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
    THREADS,
    TILE_COLUMNS,
    TILE_ROWS,
    TILE_UNITS,
    WEIGHT_TILE,
    weight_four,
)

# Up to this many inputs a thread multiplies a weight while it is in a register.
FEW_INPUTS = 8
_MOST_SHARES = 8


def multiply(tiles, x, h, n_in, n, std, stream):
    """h = std W x, for BATCH inputs; ``tiles`` is shared memory for one tile of weights and one of x.

    x has room up to the padded length of a row of weights.
    """
    if FEW:
        for e in range(n_in * BATCH + cuda.threadIdx.x, padded(n_in, 4 * BITS) * BATCH, THREADS):
            x[e] = ZERO
        cuda.syncthreads()
        _multiply_few(x, h, n_in, n, std, stream)
    else:
        _multiply_many(tiles, x, h, n_in, n, std, stream)


def multiply_transposed(tiles, delta, y, n_in, n, stream):
    """y = W^T delta, for BATCH inputs; ``tiles`` as in ``multiply``."""
    if FEW:
        _multiply_transposed_few(delta, y, n_in, n, stream)
    else:
        _multiply_transposed_many(tiles, delta, y, n_in, n, stream)


def _multiply_few(x, h, n_in, n, std, stream):
    """h = std W x, for BATCH inputs; x is padded with zeros up to the length of a row of weights."""
    groups = groups_of(n_in)
    shares = THREADS // n
    shares = shares if shares < _MOST_SHARES else _MOST_SHARES
    shares = shares if shares > 1 else 1
    t = cuda.threadIdx.x
    share = t // n if shares > 1 else 0
    mine = cuda.local.array(BATCH, float32)
    for first in range(0, n, THREADS):
        row = first + t - share * n
        for k in range(BATCH):
            mine[k] = ZERO
        if row < n and share < shares:
            for g in range(share, groups, shares):
                a, b, c, d = words_at(g, row, stream)
                for bit in range(BITS):
                    w0, w1, w2, w3 = weight_four(a, b, c, d, bit)
                    p, step = (bit * 4 * groups + g) * BATCH, groups * BATCH
                    for k in range(BATCH):
                        # unsigned: a signed index is looked at for counting from the end
                        x0, x1 = x[uint32(p + k)], x[uint32(p + k + step)]
                        x2, x3 = x[uint32(p + k + 2 * step)], x[uint32(p + k + 3 * step)]
                        mine[k] += (w0 * x0 + w1 * x1) + (w2 * x2 + w3 * x3)
            if share == 0:
                for k in range(BATCH):
                    h[row * BATCH + k] = std * mine[k]
        for turn in range(1, shares):
            cuda.syncthreads()
            if share == turn and row < n:
                for k in range(BATCH):
                    h[row * BATCH + k] += std * mine[k]
    cuda.syncthreads()


def _multiply_transposed_few(delta, y, n_in, n, stream):
    """y = W^T delta, for BATCH inputs."""
    groups = groups_of(n_in)
    units = groups * BITS
    shares = THREADS // units
    shares = shares if shares < _MOST_SHARES else _MOST_SHARES
    shares = shares if shares > 1 else 1
    t = cuda.threadIdx.x
    share = t // units if shares > 1 else 0
    mine = cuda.local.array(FOUR_BATCH, float32)
    for first in range(0, units, THREADS):
        unit = first + t - share * units
        for k in range(4 * BATCH):
            mine[k] = ZERO
        column = first_column(unit, groups)
        busy = unit < units and share < shares and column < n_in
        if busy:
            group, bit = unit % groups, unit // groups
            for row in range(share, n, shares):
                w0, w1, w2, w3 = weights_of_unit(group, bit, row, stream)
                for k in range(BATCH):
                    d = delta[uint32(row * BATCH + k)]
                    mine[k] += w0 * d
                    mine[BATCH + k] += w1 * d
                    mine[2 * BATCH + k] += w2 * d
                    mine[3 * BATCH + k] += w3 * d
        for turn in range(shares):
            if share == turn and busy:
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
