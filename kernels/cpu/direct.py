"""Direct simulation: real weights, made where they are multiplied, any distribution.

A network's weights come in panels of rows that stay in cache between being made and being multiplied. For the
backward pass they are kept where one network fits the budget of a thread, else they are made again.
"""

from typing import NamedTuple

import numpy as np
from numba import uint64

from ..body.rng import WEIGHTS
from ._compile import call, inner, kernel
from .bodies import key_of, place_of
from .fill import padded
from .launch import walk_of
from .layer import finish_backward, finish_forward, scale_and_shift, start_backward, start_forward
from .memory import empty_floats, make_walk, whole_lines
from .products import Panel, multiply, multiply_transposed

PANEL = 1 << 15  # floats of a panel: 128 KiB, a fraction of a second-level cache
LEAST_ROWS = 32
# From this many inputs on a layer of up to _LARGEST_WHOLE weights is made and multiplied whole: one large product is
# worth more than weights that are still in the second-level cache (measured: docs/benchmarks.md).
_MANY_INPUTS = 24
_LARGEST_WHOLE = 1 << 20


@inner
def _rows_at_a_time(layer, architecture, batch):
    n, stride = architecture.width[layer], padded(architecture.fan_in[layer], architecture.padding)
    if architecture.whole or (batch >= _MANY_INPUTS and n * stride <= _LARGEST_WHOLE):
        return n
    return min(n, max(LEAST_ROWS, PANEL // stride // 4 * 4))


@inner
def _make_weights(panel, layer, architecture, network, key_0, key_1):
    """Unit-variance weights of the rows of a panel of a layer (from 0)."""
    place, low = place_of(network, layer, WEIGHTS)
    out, first = panel.weights[panel.start :], uint64(panel.first)
    call(architecture.weights, (out, architecture.fan_in[layer], first, panel.rows, place, low, key_0, key_1))


@inner
def _pad(x, out, batch, n, stride):
    for k in range(batch):
        for i in range(n):
            out[k * stride + i] = x[k * n + i]
        for i in range(n, stride):
            out[k * stride + i] = np.float32(0.0)


class _Panels(NamedTuple):
    """Where weights are made and kept: flat float32, with scratch for the vectors they multiply.

    ``offsets[layer]`` is where the weights of a layer are kept, -1 for not at all; ``spare`` is room for one panel.
    """

    weights: np.ndarray
    offsets: np.ndarray
    spare: int
    vectors: np.ndarray
    scratch: np.ndarray


@inner(allocates=True)
def _places(architecture, batch, budget, offsets):
    """Where the weights of each layer are kept (into ``offsets``), the floats kept, and those of the largest panel.

    All layers are kept but the first, whose weights the backward pass does not need; or none are, where one network's
    exceed ``budget``.
    """
    layers = len(architecture.width)
    kept, panel = 0, 0
    for layer in range(layers):
        offsets[layer] = -1
        stride = padded(architecture.fan_in[layer], architecture.padding)
        panel = max(panel, _rows_at_a_time(layer, architecture, batch) * stride)
        if layer > 0:
            offsets[layer] = kept
            kept += architecture.width[layer] * stride
    if kept > budget:
        for layer in range(layers):
            offsets[layer] = -1
        kept = 0
    return kept, panel


@kernel()
def floats_for(architecture, batch, budget):
    """How many float32 numbers a lane needs that may keep ``budget`` weights for the backward pass."""
    kept, panel = _places(architecture, batch, budget, np.empty(len(architecture.width), np.int64))
    return whole_lines(kept + panel)


@inner(allocates=True)
def _make_panels(architecture, batch, weights, longest):
    """Panels in the floats of ``floats_for``: what they hold beside one panel was meant for kept weights."""
    offsets = np.empty(len(architecture.width), np.int64)
    _, panel = _places(architecture, batch, 0, offsets)
    kept, _ = _places(architecture, batch, len(weights) - panel, offsets)
    return _Panels(weights, offsets, kept, empty_floats(longest), empty_floats(2 * longest))


@inner(allocates=True)
def _forward(walk, panels, network, counts, row):
    architecture, space, batch = walk.architecture, walk.space, walk.inputs.values.shape[0]
    start_forward(space, walk.inputs)
    for layer in range(len(architecture.width)):
        n_in, n = architecture.fan_in[layer], architecture.width[layer]
        stride = padded(n_in, architecture.padding)
        _pad(space.x, panels.vectors, batch, n_in, stride)
        step = _rows_at_a_time(layer, architecture, batch)
        for first in range(0, n, step):
            rows = min(step, n - first)
            at = panels.spare if panels.offsets[layer] < 0 else panels.offsets[layer] + first * stride
            panel = Panel(panels.weights, at, first, rows, stride)
            _make_weights(panel, layer, architecture, network, walk.key_0, walk.key_1)
            multiply(panel, panels.vectors, batch, space.h, n, panels.scratch)
        exponent = scale_and_shift(space, layer, architecture, batch, network, walk.key_0, walk.key_1)
        finish_forward(walk, walk.space, layer, exponent, network, counts, row)


@inner(allocates=True)
def _backward(walk, panels, network, counts, row):
    architecture, space, batch = walk.architecture, walk.space, walk.inputs.values.shape[0]
    last = len(architecture.width) - 1
    start_backward(space, architecture, batch, network, walk.key_0, walk.key_1)
    finish_backward(walk, last, np.int64(0), network, counts, row)
    for layer in range(last, 0, -1):
        n_in, n = architecture.fan_in[layer], architecture.width[layer]
        stride = padded(n_in, architecture.padding)
        for i in range(batch * stride):
            panels.vectors[i] = np.float32(0.0)
        kept = panels.offsets[layer] >= 0
        step = _rows_at_a_time(layer, architecture, batch)
        for first in range(0, n, step):
            rows = min(step, n - first)
            at = panels.offsets[layer] + first * stride if kept else panels.spare
            panel = Panel(panels.weights, at, first, rows, stride)
            if not kept:
                _make_weights(panel, layer, architecture, network, walk.key_0, walk.key_1)
            multiply_transposed(panel, space.delta, batch, n, panels.vectors, panels.scratch)
        std = architecture.weight_std[layer]
        for k in range(batch):
            for i in range(n_in):
                space.delta[k * n_in + i] = std * panels.vectors[k * stride + i]
        exponent = space.delta_exponent[0] + architecture.weight_exponent[layer]
        finish_backward(walk, layer - 1, exponent, network, counts, row)


@inner(allocates=True)
def _start(steps, block, lane):
    this = make_walk(steps, block)
    batch, longest = block.inputs.values.shape[0], len(this.space.h)
    return this, _make_panels(block.architecture, batch, block.memory.weights[lane], longest)


walk = walk_of("direct", _start, _forward, _backward)


@kernel()
def draw_weights(address, architecture, layer):
    """The unit-variance weights of a layer (from 0) of network ``address.first``: float32 (width, padded fan_in)."""
    n, stride = architecture.width[layer], padded(architecture.fan_in[layer], architecture.padding)
    key_0, key_1 = key_of(address.seed)
    w = np.empty(n * stride, np.float32)
    panel = Panel(w, np.int64(0), np.int64(0), n, stride)
    _make_weights(panel, layer, architecture, address.first, key_0, key_1)
    return w.reshape((n, stride))


@kernel()
def draw_rows(address, distribution, n, layer, stream, rows):
    """The first rows of n unit-variance numbers of a stream: float32 (rows, n)."""
    key_0, key_1 = key_of(address.seed)
    stride = padded(n, distribution.padding)
    out = np.empty(rows * stride, np.float32)
    place, low = place_of(address.first, layer, stream)
    call(distribution.address, (out, n, uint64(0), rows, place, low, key_0, key_1))
    return out.reshape((rows, stride))[:, :n].copy()
