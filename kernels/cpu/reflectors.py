"""Householder reflections and small products on columns that are contiguous stretches of flat float32 arrays.

A matrix of ``columns`` columns of ``rows`` numbers stands in ``a`` at ``k * stride`` for column k. Four columns are
taken at a time, so that a loaded vector is used four times.
"""

import math

import numpy as np
from numba import njit, uint64

from .._jit import LEAN, LEAN_SUMS
from .layers import sum_of_squares


@njit(**LEAN_SUMS)
def dot(a, p, b, q, length):
    """a[p :] . b[q :] over ``length`` numbers, in float32."""
    i, j = uint64(p), uint64(q)
    total = np.float32(0.0)
    for t in range(uint64(length)):
        total += a[i + t] * b[j + t]
    return total


@njit(**LEAN_SUMS)
def dot_four(a, p, b, q, stride, length):
    """The dots of one vector with four columns."""
    i, j0 = uint64(p), uint64(q)
    j1, j2, j3 = j0 + uint64(stride), j0 + uint64(2 * stride), j0 + uint64(3 * stride)
    t0, t1, t2, t3 = np.float32(0.0), np.float32(0.0), np.float32(0.0), np.float32(0.0)
    for t in range(uint64(length)):
        v = a[i + t]
        t0 += v * b[j0 + t]
        t1 += v * b[j1 + t]
        t2 += v * b[j2 + t]
        t3 += v * b[j3 + t]
    return t0, t1, t2, t3


@njit(**LEAN)
def add(y, q, a, p, factor, length):
    """y[q :] += factor * a[p :]."""
    i, j = uint64(p), uint64(q)
    for t in range(uint64(length)):
        y[j + t] += factor * a[i + t]


@njit(**LEAN)
def _add_to_four(y, q, stride, a, p, f0, f1, f2, f3, length):
    i, j0 = uint64(p), uint64(q)
    j1, j2, j3 = j0 + uint64(stride), j0 + uint64(2 * stride), j0 + uint64(3 * stride)
    for t in range(uint64(length)):
        v = a[i + t]
        y[j0 + t] += f0 * v
        y[j1 + t] += f1 * v
        y[j2 + t] += f2 * v
        y[j3 + t] += f3 * v


@njit(**LEAN)
def _add_four(y, q, a, p, stride, f0, f1, f2, f3, length):
    j, i0 = uint64(q), uint64(p)
    i1, i2, i3 = i0 + uint64(stride), i0 + uint64(2 * stride), i0 + uint64(3 * stride)
    for t in range(uint64(length)):
        y[j + t] += (f0 * a[i0 + t] + f1 * a[i1 + t]) + (f2 * a[i2 + t] + f3 * a[i3 + t])


@njit(**LEAN)
def reflect(v, p, tau, b, q, stride, columns, length):
    """b -= tau v (v . b) for each column of b: one reflection."""
    k = 0
    while k + 4 <= columns:
        d0, d1, d2, d3 = dot_four(v, p, b, q + k * stride, stride, length)
        _add_to_four(b, q + k * stride, stride, v, p, -tau * d0, -tau * d1, -tau * d2, -tau * d3, length)
        k += 4
    while k < columns:
        add(b, q + k * stride, v, p, -tau * dot(v, p, b, q + k * stride, length), length)
        k += 1


@njit(**LEAN)
def factor(a, offset, rows, columns, stride, tau, triangle):
    """QR by Householder reflections in place; returns their number r = min(rows, columns).

    Column j < r becomes the vector v_j from entry j on, with H_j = 1 - tau_j v_j v_j^T, and ``triangle`` (float32,
    [j, k]) gets R. Signs as in LAPACK. Zero, equal and collinear columns need no decision: H_j is the identity where
    nothing is left below the diagonal.
    """
    r = min(rows, columns)
    for j in range(r):
        at, left = offset + j * stride + j, rows - j
        lead = np.float64(a[at])
        below = sum_of_squares(a, at + 1, left - 1)
        if below == 0.0:
            tau[j] = np.float32(0.0)
            triangle[j, j] = a[at]
        else:
            norm = math.sqrt(below + lead * lead)
            beta = -norm if lead >= 0.0 else norm
            inverse = np.float32(1.0 / (lead - beta))
            for t in range(uint64(left)):
                a[uint64(at) + t] *= inverse
            tau[j] = np.float32((beta - lead) / beta)
            triangle[j, j] = np.float32(beta)
        a[at] = np.float32(1.0)
        if tau[j] != np.float32(0.0):
            reflect(a, at, tau[j], a, at + stride, stride, columns - j - 1, left)
        for k in range(j + 1, columns):
            triangle[j, k] = a[offset + k * stride + j]
    return r


@njit(**LEAN)
def unreflect(a, offset, rows, r, stride, tau, b, columns, b_stride):
    """b = Q b in place, Q = H_1 ... H_r of ``factor``: from coordinates along its basis back to the space."""
    for j in range(r - 1, -1, -1):
        if tau[j] != np.float32(0.0):
            reflect(a, offset + j * stride + j, tau[j], b, j, b_stride, columns, rows - j)


@njit(**LEAN)
def combine(z, offset, z_stride, triangle, r, columns, out, start, out_stride, length):
    """out column k = sum over j <= min(k, r - 1) of triangle[j, k] times z column j."""
    for k in range(columns):
        at, terms = start + k * out_stride, min(k + 1, r)
        for t in range(uint64(length)):
            out[uint64(at) + t] = triangle[0, k] * z[uint64(offset) + t]
        j = 1
        while j + 4 <= terms:
            _add_four(out, at, z, offset + j * z_stride, z_stride,
                      triangle[j, k], triangle[j + 1, k], triangle[j + 2, k], triangle[j + 3, k], length)  # fmt: skip
            j += 4
        while j < terms:
            add(out, at, z, offset + j * z_stride, triangle[j, k], length)
            j += 1


@njit(**LEAN)
def project(z, offset, z_stride, r, b, b_stride, columns, length, out, start, out_stride):
    """out column k, entry j = z column j . b column k."""
    for j in range(r):
        k = 0
        while k + 4 <= columns:
            d0, d1, d2, d3 = dot_four(z, offset + j * z_stride, b, k * b_stride, b_stride, length)
            out[start + k * out_stride + j] = d0
            out[start + (k + 1) * out_stride + j] = d1
            out[start + (k + 2) * out_stride + j] = d2
            out[start + (k + 3) * out_stride + j] = d3
            k += 4
        while k < columns:
            out[start + k * out_stride + j] = dot(z, offset + j * z_stride, b, k * b_stride, length)
            k += 1


@njit(**LEAN)
def orthonormalize(z, offset, stride, columns, length):
    """Gram-Schmidt in place, each column twice: Gaussian columns become a uniformly distributed frame.

    With positive diagonal by construction, which is what makes the frame of Gaussian columns uniform. Twice is enough
    (Giraud, Langou, Rozloznik 2005); the columns must be fewer than half their length.
    """
    for j in range(columns):
        at = offset + j * stride
        for _ in range(2):
            for i in range(j):
                add(z, at, z, offset + i * stride, -dot(z, offset + i * stride, z, at, length), length)
        inverse = np.float32(1.0 / math.sqrt(sum_of_squares(z, at, length)))
        for t in range(uint64(length)):
            z[uint64(at) + t] *= inverse
