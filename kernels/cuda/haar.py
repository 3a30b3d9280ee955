"""Products with a layer's orthogonal weights, which are never written out: the reflections that make them are kept.

The twin of ``kernels/cpu/haar.py``. W (n x n_in) is sqrt(long) Q D, or its transpose where n < n_in:
G = Q R by Householder reflections, G (long x short) of the same normals at the same addresses, D the signs of R's
diagonal. A product with W is D and the reflections, one after the other.

Four reflections are a panel and are applied at once: 1 - V T V^T with the sums V^T V instead of T (Schreiber, Van Loan
1989), so that a matrix is read twice and written once for each panel. A matrix stands in global memory, rows major,
``stride`` floats a row, with zeros in the columns from ``short`` on; a panel has zeros above its diagonal, ones on it.
Behind the matrix stand _PANEL_NUMBERS of each panel: the taus, the signs, and V^T V below its diagonal.
"""

from typing import NamedTuple

from ..body.elementary import ONE, ZERO
from ..body.scalars import float32, uint64
from ._compile import cuda
from .bodies import square_root
from .fill import fill_normals, padded
from .placeholders import BATCH, THREADS
from .reflectors import reflection_of
from .sums import fold, sum_four

_PANEL = 4
_PANEL_NUMBERS = 16
_TAU, _SIGN, _PRODUCTS = 0, 4, 8
# Indices inside loops are unsigned: a signed one is looked at for counting from the end, at a dozen instructions each.
_FIRST, _SECOND, _THIRD = uint64(1), uint64(2), uint64(3)


class _Panel(NamedTuple):
    """Reflections ``first`` .. of a matrix of ``long`` rows, and their _PANEL_NUMBERS."""

    matrix: object
    long: int
    stride: int
    first: int
    numbers: object


def floats_of(n, n_in):
    """Floats of global memory for the matrix of a layer and its panels."""
    short = min(n, n_in)
    stride = padded(short, _PANEL)
    return max(n, n_in) * stride + stride // _PANEL * _PANEL_NUMBERS


def _sizes(n_in, n):
    """Long and short side, and the floats of a row."""
    short, long = (n_in, n) if n >= n_in else (n, n_in)
    return long, short, padded(short, _PANEL)


def _factor_panel(panel, columns, room):
    """The reflections of the ``columns`` columns of a panel, left in their place; see ``reflectors.factor``."""
    a, long, stride, first, numbers = panel
    t = cuda.threadIdx.x
    for q in range(columns):
        j = first + q
        below, one, two, three = ZERO, ZERO, ZERO, ZERO
        for i in range(j + 1 + t, long, THREADS):
            at = uint64(i * stride + j)
            own = a[at]
            below += own * own
            one += own * a[at + _FIRST] if q < 3 else ZERO
            two += own * a[at + _SECOND] if q < 2 else ZERO
            three += own * a[at + _THIRD] if q < 1 else ZERO
        below, one, two, three = sum_four(below, one, two, three, room)
        top = j * stride + j
        beta, tau, inverse = reflection_of(a[top], below, ZERO)
        one = tau * (a[top + 1] + inverse * one) if q < 3 else ZERO
        two = tau * (a[top + 2] + inverse * two) if q < 2 else ZERO
        three = tau * (a[top + 3] + inverse * three) if q < 1 else ZERO
        cuda.syncthreads()
        for i in range(j + 1 + t, long, THREADS):
            at = uint64(i * stride + j)
            v = a[at] * inverse
            a[at] = v
            if q < 3:
                a[at + _FIRST] -= v * one
            if q < 2:
                a[at + _SECOND] -= v * two
            if q < 1:
                a[at + _THIRD] -= v * three
        if t == 0:
            numbers[_TAU + q] = tau
            numbers[_SIGN + q] = ONE if beta >= ZERO else -ONE
            a[top] = ONE
            for right in range(1, _PANEL - q):  # what is left of R is not needed
                a[top + right] = ZERO
        cuda.syncthreads()


def _multiply_panel(panel, columns, room):
    """V^T V of a panel, below the diagonal, row after row."""
    a, long, stride, first, numbers = panel
    t = cuda.threadIdx.x
    p10, p20, p21, p30, p31, p32 = ZERO, ZERO, ZERO, ZERO, ZERO, ZERO
    for i in range(first + t, long, THREADS):
        at = uint64(i * stride + first)
        v0, v1, v2, v3 = a[at], a[at + _FIRST], a[at + _SECOND], a[at + _THIRD]
        p10 += v1 * v0
        p20 += v2 * v0
        p21 += v2 * v1
        p30 += v3 * v0
        p31 += v3 * v1
        p32 += v3 * v2
    p10, p20, p21, p30 = sum_four(p10, p20, p21, p30, room)
    p31, p32, _, _ = sum_four(p31, p32, ZERO, ZERO, room)
    if t == 0:
        numbers[_PRODUCTS], numbers[_PRODUCTS + 1], numbers[_PRODUCTS + 2] = p10, p20, p21
        numbers[_PRODUCTS + 3], numbers[_PRODUCTS + 4], numbers[_PRODUCTS + 5] = p30, p31, p32
        for q in range(columns, _PANEL):
            numbers[_TAU + q] = ZERO
    cuda.syncthreads()


def _reflect(panel, backwards, b, b_stride, start, columns, room):
    """b = H_4 H_3 H_2 H_1 b of a panel, or H_1 H_2 H_3 H_4 b ``backwards``, for columns start .. start + columns - 1.

    A thread has a column, and where there are fewer columns than threads several share the rows of one.
    """
    a, long, stride, first, numbers = panel
    t = cuda.threadIdx.x
    lanes = columns if columns < THREADS else THREADS
    parts = THREADS // lanes
    part, lane = t // lanes, t % lanes
    t0, t1, t2, t3 = numbers[_TAU], numbers[_TAU + 1], numbers[_TAU + 2], numbers[_TAU + 3]
    p10, p20, p21 = numbers[_PRODUCTS], numbers[_PRODUCTS + 1], numbers[_PRODUCTS + 2]
    p30, p31, p32 = numbers[_PRODUCTS + 3], numbers[_PRODUCTS + 4], numbers[_PRODUCTS + 5]
    for begin in range(0, columns, lanes):
        busy = begin + lane < columns and part < parts
        k = start + begin + lane
        d0, d1, d2, d3 = ZERO, ZERO, ZERO, ZERO
        if busy:
            for i in range(first + part, long, parts):
                at, value = uint64(i * stride + first), b[uint64(i * b_stride + k)]
                d0 += a[at] * value
                d1 += a[at + _FIRST] * value
                d2 += a[at + _SECOND] * value
                d3 += a[at + _THIRD] * value
        if parts > 1:
            cuda.syncthreads()
            room[t], room[THREADS + t], room[2 * THREADS + t], room[3 * THREADS + t] = d0, d1, d2, d3
            fold(room, 4, lanes, parts)
            d0, d1, d2, d3 = room[lane], room[THREADS + lane], room[2 * THREADS + lane], room[3 * THREADS + lane]
        # what a reflection sees of a column is what the ones before it have left
        if backwards:
            d3 = t3 * d3
            d2 = t2 * (d2 - p32 * d3)
            d1 = t1 * (d1 - p21 * d2 - p31 * d3)
            d0 = t0 * (d0 - p10 * d1 - p20 * d2 - p30 * d3)
        else:
            d0 = t0 * d0
            d1 = t1 * (d1 - p10 * d0)
            d2 = t2 * (d2 - p20 * d0 - p21 * d1)
            d3 = t3 * (d3 - p30 * d0 - p31 * d1 - p32 * d2)
        if busy:
            for i in range(first + part, long, parts):
                at = uint64(i * stride + first)
                change = (a[at] * d0 + a[at + _FIRST] * d1) + (a[at + _SECOND] * d2 + a[at + _THIRD] * d3)
                b[uint64(i * b_stride + k)] -= change
    cuda.syncthreads()


def factor_layer(memory, n_in, n, stream, room):
    """The reflections of a layer into ``memory``, from its normals: a row of weights is a row of G, or a column."""
    long, short, stride = _sizes(n_in, n)
    for e in range(cuda.threadIdx.x, long * (stride - short), THREADS):
        memory[e // (stride - short) * stride + short + e % (stride - short)] = ZERO
    is_tall = n >= n_in
    across, down = 1 if is_tall else stride, stride if is_tall else 1
    fill_normals(memory, n_in, n, across, down, stream)
    cuda.syncthreads()
    for first in range(0, short, _PANEL):
        panel = _Panel(memory, long, stride, first, memory[long * stride + first // _PANEL * _PANEL_NUMBERS :])
        columns = short - first if short - first < _PANEL else _PANEL
        _factor_panel(panel, columns, room)
        _multiply_panel(panel, columns, room)
        right = first + _PANEL
        if right < short:
            _reflect(panel, False, memory, stride, right, short - right, room)


def multiply_whole(memory, n_in, n, source, out, factor, is_transposed, room):
    """out = factor W source for BATCH columns, or factor W^T source. ``out`` has room for the longer of the two."""
    t = cuda.threadIdx.x
    long, short, stride = _sizes(n_in, n)
    panels = long * stride
    from_short = (n >= n_in) != is_transposed
    for e in range(t, long * BATCH, THREADS):
        if from_short:
            j = e // BATCH
            sign = memory[panels + j // _PANEL * _PANEL_NUMBERS + _SIGN + j % _PANEL] if j < short else ZERO
            out[e] = sign * source[e] if j < short else ZERO
        else:
            out[e] = source[e]
    cuda.syncthreads()
    last = stride // _PANEL - 1
    for turn in range(last + 1):
        which = last - turn if from_short else turn
        panel = _Panel(memory, long, stride, which * _PANEL, memory[panels + which * _PANEL_NUMBERS :])
        _reflect(panel, from_short, out, BATCH, 0, BATCH, room)
    scale = factor * square_root(float32(long))
    for e in range(t, (long if from_short else short) * BATCH, THREADS):
        sign = ONE
        if not from_short:
            j = e // BATCH
            sign = memory[panels + j // _PANEL * _PANEL_NUMBERS + _SIGN + j % _PANEL]
        out[e] = scale * sign * out[e]
    cuda.syncthreads()
