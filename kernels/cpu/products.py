"""Products of a panel of weights with K inputs: own loops for few inputs, BLAS on one thread for many.

Vectors are inputs major, (K, stride) forward and (K, rows) backward.
"""

from typing import NamedTuple

import numpy as np

from ._compile import inner
from .vectors import add, add_four, dot, dot_four

# Up to this many inputs own loops beat sgemm (measured: docs/benchmarks.md).
FEW_INPUTS = 1


class Panel(NamedTuple):
    """Some rows of a layer's weights, from row ``first`` on: flat float32 of rows x stride, from ``start`` on."""

    weights: np.ndarray
    start: int
    first: int
    rows: int
    stride: int


@inner
def _add(y, values, start, length):
    for i in range(np.uint64(length)):
        y[i] += values[np.uint64(start) + i]


@inner(allocates=True)
def multiply(panel, x, inputs, h, n, scratch):
    """h[k, first : first + rows] = panel @ x[k] for each input k; h is (inputs, n) flat."""
    w, offset, first, rows, stride = panel
    if inputs <= FEW_INPUTS:
        whole = rows // 4 * 4
        for k in range(inputs):
            at = k * n + first
            for r in range(0, whole, 4):
                d0, d1, d2, d3 = dot_four(x, k * stride, w, offset + r * stride, stride, stride)
                h[at + r], h[at + r + 1], h[at + r + 2], h[at + r + 3] = d0, d1, d2, d3
            for r in range(whole, rows):
                h[at + r] = dot(x, k * stride, w, offset + r * stride, stride)
        return
    matrix = w[offset : offset + rows * stride].reshape((rows, stride))
    vectors = x[: inputs * stride].reshape((inputs, stride))
    if rows == n:
        np.dot(vectors, matrix.T, h[: inputs * n].reshape((inputs, n)))
        return
    product = scratch[: inputs * rows].reshape((inputs, rows))
    np.dot(vectors, matrix.T, product)
    for k in range(inputs):
        for r in range(rows):
            h[k * n + first + r] = product[k, r]


@inner(allocates=True)
def multiply_transposed(panel, d, inputs, n, y, scratch):
    """y[k] += d[k, first : first + rows] @ panel for each input k; d is (inputs, n) flat, y (inputs, stride) flat."""
    w, offset, first, rows, stride = panel
    if inputs <= FEW_INPUTS:
        whole = rows // 4 * 4
        for k in range(inputs):
            at = k * n + first
            for r in range(0, whole, 4):
                four = d[at + r], d[at + r + 1], d[at + r + 2], d[at + r + 3]
                add_four(y, k * stride, w, offset + r * stride, stride, four, stride)
            for r in range(whole, rows):
                add(y, k * stride, w, offset + r * stride, d[at + r], stride)
        return
    matrix = w[offset : offset + rows * stride].reshape((rows, stride))
    part = d[: inputs * n].reshape((inputs, n))
    product = scratch[inputs * rows : inputs * (rows + stride)].reshape((inputs, stride))
    if rows < n:
        part = scratch[: inputs * rows].reshape((inputs, rows))
        for k in range(inputs):
            for r in range(rows):
                part[k, r] = d[k * n + first + r]
    np.dot(part, matrix, product)
    _add(y, scratch, inputs * rows, inputs * stride)
