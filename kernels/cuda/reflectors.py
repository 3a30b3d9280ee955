"""Householder reflections and frames by one block of threads; the twin of ``kernels/cpu/reflectors.py``.

A matrix is flat float32 of rows x BATCH, rows major, of which the first columns may be all that is used. Every function
begins with its arrays complete and ends with a barrier. ``dots`` is scratch of BATCH numbers. Columns that are factored
are of size one (see ``level``), so that squares stay inside float32.
"""

from ..body.elementary import ONE, ZERO
from ..body.scalars import float32, int32
from ._compile import cuda
from .bodies import absolute, square_root
from .placeholders import BATCH, THREADS, meet
from .sums import LARGEST_EXPONENT, LEAST, MOST, binary_exponent, column_dots, column_squares, factors

NEGLIGIBLE = float32(2.0**-40)  # as on the processor


def level(a, rows, levels, dots, room):
    """Columns to the size of one where a square leaves float32, their exponents to ``levels``; returns whether so."""
    t = cuda.threadIdx.x
    column_squares(a, rows, ONE, dots, room)
    outside = False
    for k in range(BATCH):
        outside = outside or not (dots[k] > LEAST and dots[k] < MOST)
    if not outside:
        return False
    for k in range(t, BATCH, THREADS):
        largest = ZERO
        for i in range(rows):
            size = absolute(a[i * BATCH + k])
            largest = size if size > largest else largest
        e = binary_exponent(largest) if largest > ZERO else int32(0)
        e = e if e > -LARGEST_EXPONENT else int32(-LARGEST_EXPONENT)
        levels[k] = float32(e if e < LARGEST_EXPONENT else LARGEST_EXPONENT)
    meet()
    for e in range(t, rows * BATCH, THREADS):
        low, high = factors(-int32(levels[e % BATCH]))
        a[e] = a[e] * low * high
    meet()
    return True


def unlevel(triangle, r, levels):
    """The triangle of a matrix before ``level`` from that after it."""
    for e in range(cuda.threadIdx.x, r * BATCH, THREADS):
        low, high = factors(int32(levels[e % BATCH]))
        triangle[e] = triangle[e] * low * high
    meet()


def reflection_of(lead, below, removed):
    """beta, tau and 1 / (lead - beta) of the reflection that takes (lead, rest) to (beta, 0), |rest|^2 = ``below``.

    v = (1, rest / (lead - beta)), H = 1 - tau v v^T, beta <= 0, and H = 1 for a column of round-off; see the twin.
    """
    square = below + lead * lead
    negligible = NEGLIGIBLE * (square + removed)
    if square <= negligible:  # NaN passes
        return ZERO, ZERO, ZERO
    norm = square_root(square)
    difference = lead + norm
    if lead < ZERO:
        if below <= negligible:
            return -norm, ZERO, ZERO
        difference = below / (norm - lead)  # lead + norm without its cancellation
    return -norm, difference / norm, ONE / difference


def factor(a, rows, tau, triangle, dots, room):
    """QR by Householder reflections in place; returns their number r = min(rows, BATCH).

    Column j < r becomes the vector v_j from row j on, with H_j = 1 - tau_j v_j v_j^T, and triangle[j BATCH + k] gets
    R, whose diagonal is zero or negative. A column that is zero, or that depends on those before it but for round-off,
    has H_j = 1 and R_jj = 0.
    """
    t = cuda.threadIdx.x
    r = rows if rows < BATCH else BATCH
    for j in range(r):
        column_dots(a, j, a, j + 1, rows, ONE, dots, room)  # below the diagonal, with itself too
        removed = ZERO
        for i in range(j):
            removed += triangle[i * BATCH + j] * triangle[i * BATCH + j]
        beta, reflection, inverse = reflection_of(a[j * BATCH + j], dots[j], removed)
        if reflection != ZERO:
            meet()
            for k in range(j + 1 + t, BATCH, THREADS):
                dots[k] = reflection * (a[j * BATCH + k] + inverse * dots[k])  # tau v . a_k
            meet()
            for e in range(j * BATCH + t, rows * BATCH, THREADS):
                i, k = e // BATCH, e % BATCH
                if k > j:
                    v = ONE if i == j else a[i * BATCH + j] * inverse
                    a[e] -= v * dots[k]
            meet()
            for i in range(j + 1 + t, rows, THREADS):
                a[i * BATCH + j] *= inverse
        meet()
        if t == 0:
            a[j * BATCH + j] = ONE
            tau[j] = reflection
            triangle[j * BATCH + j] = beta
        for k in range(j + 1 + t, BATCH, THREADS):
            triangle[j * BATCH + k] = a[j * BATCH + k]
        meet()
    return r


def unreflect(a, rows, r, tau, b, dots, room):
    """b = Q b in place, Q = H_1 ... H_r of ``factor``: b -= tau v (v . b), the last reflection first."""
    for j in range(r - 1, -1, -1):
        if tau[j] != ZERO:
            column_dots(a, j, b, j, rows, tau[j], dots, room)
            for e in range(j * BATCH + cuda.threadIdx.x, rows * BATCH, THREADS):
                b[e] -= a[e // BATCH * BATCH + j] * dots[e % BATCH]
            meet()


def combine(z, r, triangle, scale, out, first, rows):
    """out[first + i, k] = scale sum over j <= min(k, r - 1) of z[i, j] triangle[j, k], for i < rows."""
    for e in range(cuda.threadIdx.x, rows * BATCH, THREADS):
        at, k = e // BATCH * BATCH, e % BATCH
        terms = k + 1 if k + 1 < r else r
        total = ZERO
        for j in range(terms):
            total += z[at + j] * triangle[j * BATCH + k]
        out[first * BATCH + e] = scale * total
    meet()


def project(z, r, b, rows, out, dots, room):
    """out[j, k] = z column j . b column k over ``rows`` rows."""
    for j in range(r):
        column_dots(z, j, b, 0, rows, ONE, dots, room)
        for k in range(cuda.threadIdx.x, BATCH, THREADS):
            out[j * BATCH + k] = dots[k]
    meet()


def orthonormalize(z, columns, rows, dots, room):
    """Gram-Schmidt in place, each column twice: Gaussian columns become a uniformly distributed frame.

    Classical, all projections of a column at once; twice is enough (Giraud, Langou, Rozloznik 2005). The columns must
    be fewer than half their length.
    """
    t = cuda.threadIdx.x
    for j in range(columns):
        for turn in range(3):
            column_dots(z, j, z, 0, rows, ONE, dots, room)
            vanishes = turn == 2 and dots[j] == ZERO  # a single normal number may be zero
            inverse = ONE / square_root(dots[j]) if turn == 2 and not vanishes else ONE
            for i in range(t, rows, THREADS):
                along = ZERO
                if turn < 2:
                    for k in range(j):
                        along += dots[k] * z[i * BATCH + k]
                z[i * BATCH + j] = ONE if vanishes and i == 0 else (z[i * BATCH + j] - along) * inverse
            meet()


def remove_frame(z, r, b, rows, dots, room):
    """b -= Z Z^T b for a frame Z, twice."""
    for turn in range(2 * r):
        j = turn % r
        column_dots(z, j, b, 0, rows, ONE, dots, room)
        for e in range(cuda.threadIdx.x, rows * BATCH, THREADS):
            b[e] -= z[e // BATCH * BATCH + j] * dots[e % BATCH]
        meet()
