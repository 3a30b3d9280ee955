"""Sums of products and of multiples of stretches of flat float32 arrays, four at a time where four share a vector."""

import numpy as np
from numba import uint64

from ._compile import inner


@inner(sums=True)
def dot(a, p, b, q, length):
    """a[p :] . b[q :] over ``length`` numbers, in float32."""
    i, j = uint64(p), uint64(q)
    total = np.float32(0.0)
    for t in range(uint64(length)):
        total += a[i + t] * b[j + t]
    return total


@inner(sums=True)
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


@inner
def add(y, q, a, p, factor, length):
    """y[q :] += factor * a[p :]."""
    i, j = uint64(p), uint64(q)
    for t in range(uint64(length)):
        y[j + t] += factor * a[i + t]


@inner
def add_to_four(y, q, stride, a, p, factors, length):
    """Add multiples of one vector, by four ``factors``, to four columns."""
    f0, f1, f2, f3 = factors
    i, j0 = uint64(p), uint64(q)
    j1, j2, j3 = j0 + uint64(stride), j0 + uint64(2 * stride), j0 + uint64(3 * stride)
    for t in range(uint64(length)):
        v = a[i + t]
        y[j0 + t] += f0 * v
        y[j1 + t] += f1 * v
        y[j2 + t] += f2 * v
        y[j3 + t] += f3 * v


@inner
def add_four(y, q, a, p, stride, factors, length):
    """Add multiples of four columns, by four ``factors``, to one vector."""
    f0, f1, f2, f3 = factors
    j, i0 = uint64(q), uint64(p)
    i1, i2, i3 = i0 + uint64(stride), i0 + uint64(2 * stride), i0 + uint64(3 * stride)
    for t in range(uint64(length)):
        y[j + t] += (f0 * a[i0 + t] + f1 * a[i1 + t]) + (f2 * a[i2 + t] + f3 * a[i3 + t])
