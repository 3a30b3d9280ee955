"""Orthogonal matrices from the normals at their addresses, made whole."""

import math

import numpy as np
from numba import carray, uint64

from .bodies import normal_pair, philox


def fill_orthogonal(out, n, first, rows, place, network, key_0, key_1):
    """A whole Haar matrix of ``rows`` x n times sqrt(max(rows, n)): entries of variance 1. O(n^3).

    Householder QR of the same normals that the Gaussian schemes use. The columns of Q are multiplied by the signs of
    the diagonal of R: without that the law is not Haar's (Mezzadri 2007, "How to generate random matrices from the
    classical compact groups", section 5).
    """
    groups = (n + 3) // 4
    stride = 4 * groups
    matrix = carray(out, (rows, stride))
    for r in range(rows):
        for g in range(groups):
            a, b, c, d = philox(uint64(g), uint64(r), place, network, key_0, key_1)
            matrix[r, g], matrix[r, g + groups] = normal_pair(a, b)
            matrix[r, g + 2 * groups], matrix[r, g + 3 * groups] = normal_pair(c, d)
    tall = rows >= n
    long, short = max(rows, n), min(rows, n)
    gaussian = np.empty((long, short), np.float32)
    for i in range(long):
        for j in range(short):
            gaussian[i, j] = matrix[i, j] if tall else matrix[j, i]
    q, r_factor = np.linalg.qr(gaussian)
    scale = np.float32(math.sqrt(long))
    for j in range(short):
        factor = scale if r_factor[j, j] >= np.float32(0.0) else -scale
        for i in range(long):
            if tall:
                matrix[i, j] = factor * q[i, j]
            else:
                matrix[j, i] = factor * q[i, j]
