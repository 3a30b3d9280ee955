"""Rows of unit-variance random numbers as the kernels' compiled loops make them."""

import ctypes

import numpy as np
from mcflow.kernels.body.rng import WEIGHTS, key_of, place_of
from mcflow.kernels.cpu import fill


def rows_of(name, n, rows, first=0, seed=7, network=1, layer=2, stream=WEIGHTS):
    """Rows as the compiled loop makes them, (rows, padded n), and what it left untouched behind them."""
    law = fill.distribution(name)
    stride = -(-n // law.padding) * law.padding
    out = np.full(rows * stride + 64, np.nan, np.float32)
    words = (ctypes.c_int64, ctypes.c_uint64, ctypes.c_int64) + (ctypes.c_uint64,) * 4
    place, low = place_of(network, layer, stream)
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, *words)(law.address)
    call(out.ctypes.data, n, first, rows, *(int(word) for word in (place, low, *key_of(np.uint64(seed)))))
    return out[: rows * stride].reshape(rows, stride), out[rows * stride :]
