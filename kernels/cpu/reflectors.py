"""Householder reflections and small products on columns that are contiguous stretches of flat float32 arrays.

Four columns are taken at a time, so that a loaded vector is used four times.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import uint64

from ._compile import inner
from .sums import sum_of_squares
from .vectors import add, add_four, add_to_four, dot, dot_four

# The square of a column, relative to what it was before it was factored, at which it is round-off: (8 2^-23)^2.
# Columns that depend on others leave up to 3.5 2^-23 (4096 rows, 128 columns).
NEGLIGIBLE = 2.0**-40


class Columns(NamedTuple):
    """A matrix whose column k stands in flat float32 ``values`` from ``start + k * stride`` on."""

    values: np.ndarray
    start: int
    stride: int


@inner
def _reflect(v, p, tau, b, q, stride, columns, length):
    """b -= tau v (v . b) for each column of b: one reflection."""
    k = 0
    while k + 4 <= columns:
        d0, d1, d2, d3 = dot_four(v, p, b, q + k * stride, stride, length)
        add_to_four(b, q + k * stride, stride, v, p, (-tau * d0, -tau * d1, -tau * d2, -tau * d3), length)
        k += 4
    while k < columns:
        add(b, q + k * stride, v, p, -tau * dot(v, p, b, q + k * stride, length), length)
        k += 1


@inner
def reflection_of(lead, below, removed):
    """beta, tau and 1 / (lead - beta) of the reflection that takes (lead, rest) to (beta, 0), |rest|^2 = ``below``.

    v = (1, rest / (lead - beta)), H = 1 - tau v v^T, and beta <= 0 always: a sign taken from ``lead``, as in LAPACK,
    would be a matter of round-off where ``lead`` is zero, as the first unit of a layer often is. ``removed`` is what
    earlier reflections took of the column's square: beside it a column of round-off is zero, with H = 1.
    """
    square = below + lead * lead
    negligible = NEGLIGIBLE * (square + removed)
    if square <= negligible:  # NaN passes
        return 0.0, 0.0, 0.0
    norm = math.sqrt(square)
    difference = lead + norm
    if lead < 0.0:
        if below <= negligible:
            return -norm, 0.0, 0.0
        difference = below / (norm - lead)  # lead + norm without its cancellation
    return -norm, difference / norm, 1.0 / difference


@inner
def factor(matrix, rows, columns, tau, triangle):
    """QR by Householder reflections in place; returns their number r = min(rows, columns).

    Column j < r becomes the vector v_j from entry j on, with H_j = 1 - tau_j v_j v_j^T, and ``triangle`` (float32,
    [j, k]) gets R, whose diagonal is zero or negative. A column that is zero, or that depends on those before it but
    for round-off, has H_j = 1 and R_jj = 0.
    """
    a, offset, stride = matrix
    r = min(rows, columns)
    for j in range(r):
        at, left = offset + j * stride + j, rows - j
        removed = 0.0
        for i in range(j):
            removed += np.float64(triangle[i, j]) * np.float64(triangle[i, j])
        beta, turn, inverse = reflection_of(np.float64(a[at]), sum_of_squares(a, at + 1, left - 1), removed)
        for t in range(uint64(left)):  # in float64: the inverse of the smallest float32 is not one
            a[uint64(at) + t] = np.float32(inverse * np.float64(a[uint64(at) + t]))
        a[at], tau[j], triangle[j, j] = np.float32(1.0), np.float32(turn), np.float32(beta)
        if turn != 0.0:
            _reflect(a, at, tau[j], a, at + stride, stride, columns - j - 1, left)
        for k in range(j + 1, columns):
            triangle[j, k] = a[offset + k * stride + j]
    return r


@inner
def unreflect(matrix, rows, r, tau, vectors, columns):
    """b = Q b in place, Q = H_1 ... H_r of ``factor``: from coordinates along its basis back to the space."""
    a, offset, stride = matrix
    b, start, b_stride = vectors
    for j in range(r - 1, -1, -1):
        if tau[j] != np.float32(0.0):
            _reflect(a, offset + j * stride + j, tau[j], b, start + j, b_stride, columns, rows - j)


@inner
def combine(frame, triangle, r, columns, result, length):
    """result column k = sum over j <= min(k, r - 1) of triangle[j, k] times frame column j."""
    z, offset, z_stride = frame
    out, start, out_stride = result
    for k in range(columns):
        at, terms = start + k * out_stride, min(k + 1, r)
        for t in range(uint64(length)):
            out[uint64(at) + t] = triangle[0, k] * z[uint64(offset) + t]
        j = 1
        while j + 4 <= terms:
            four = triangle[j, k], triangle[j + 1, k], triangle[j + 2, k], triangle[j + 3, k]
            add_four(out, at, z, offset + j * z_stride, z_stride, four, length)
            j += 4
        while j < terms:
            add(out, at, z, offset + j * z_stride, triangle[j, k], length)
            j += 1


@inner
def project(frame, r, vectors, columns, length, result):
    """result column k, entry j = frame column j . vectors column k."""
    z, offset, z_stride = frame
    b, begin, b_stride = vectors
    out, start, out_stride = result
    for j in range(r):
        k = 0
        while k + 4 <= columns:
            d0, d1, d2, d3 = dot_four(z, offset + j * z_stride, b, begin + k * b_stride, b_stride, length)
            out[start + k * out_stride + j] = d0
            out[start + (k + 1) * out_stride + j] = d1
            out[start + (k + 2) * out_stride + j] = d2
            out[start + (k + 3) * out_stride + j] = d3
            k += 4
        while k < columns:
            out[start + k * out_stride + j] = dot(z, offset + j * z_stride, b, begin + k * b_stride, length)
            k += 1


@inner
def orthonormalize(frame, columns, length):
    """Gram-Schmidt in place, each column twice: Gaussian columns become a uniformly distributed frame.

    With positive diagonal by construction, which is what makes the frame of Gaussian columns uniform. Twice is enough
    (Giraud, Langou, Rozloznik 2005); the columns must be fewer than half their length.
    """
    z, offset, stride = frame
    for j in range(columns):
        at = offset + j * stride
        for _ in range(2):
            for i in range(j):
                add(z, at, z, offset + i * stride, -dot(z, offset + i * stride, z, at, length), length)
        square = sum_of_squares(z, at, length)
        if square == 0.0:  # a single normal number may be zero
            z[at], square = np.float32(1.0), 1.0
        inverse = np.float32(1.0 / math.sqrt(square))
        for t in range(uint64(length)):
            z[uint64(at) + t] *= inverse


@inner
def remove_frame(frame, r, b, at, length):
    """b[at :] -= Z Z^T b[at :] for a frame Z of r columns, twice."""
    z, offset, stride = frame
    for _ in range(2):
        for j in range(r):
            along = dot(z, offset + j * stride, b, at, length)
            add(b, at, z, offset + j * stride, -along, length)
