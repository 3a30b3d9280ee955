"""The direction of one collapsed input, of which both its kernels make h and gradients; see ``cpu/one_input.py``."""

from typing import NamedTuple

from ..body.elementary import ONE, ZERO
from ..body.rng import COLLAPSED_BACKWARD
from ..body.scalars import int32
from .bodies import normal_pair, square_root
from .fill import stream_of, words_at
from .sums import binary_exponent, factors
from .tuples import SQUARES_CARRIED, X_CARRIED


class Given(NamedTuple):
    """The input of a layer: |x|^2 is ``square`` 4^exponent, and x carries ``exponent``."""

    square: object
    exponent: object


class Direction(NamedTuple):
    """That of a layer's input with its entry for the biases; h is ``norm`` z 2^exponent.

    u is ``factor`` times x as it is carried, and then ``last``; both are 0 where the input is zero.
    """

    exponent: object
    norm: object
    factor: object
    last: object


def direction_of(architecture, layer, given):
    """The direction of a layer's input."""
    std, bias = architecture.weight_std[layer], architecture.bias_std[layer]
    exponent = int32(given.exponent + architecture.weight_exponent[layer])
    length = std * square_root(given.square)
    shift = binary_exponent(length) if length > ZERO else int32(0)
    if bias > ZERO:
        of_bias = int32(binary_exponent(bias) - exponent)
        shift = of_bias if length == ZERO or of_bias > shift else shift
    low, high = factors(-shift)
    bias_low, bias_high = factors(-exponent - shift)
    length, below = length * low * high, bias * bias_low * bias_high
    norm = square_root(length * length + below * below)
    inverse = ZERO if norm == ZERO else ONE / norm
    return Direction(int32(exponent + shift), norm, std * inverse * low * high, below * inverse)


def input_of(network, layer):
    """The input of a layer."""
    carried = network.carried
    return Given(network.squares[layer], int32(carried[X_CARRIED, layer] + carried[SQUARES_CARRIED, layer]))


def normal_of_biases(network, architecture, layer):
    """g of the entry for a layer's biases."""
    if not architecture.bias_std[layer] > ZERO:
        return ZERO
    a, b, _, _ = words_at(0, 1, stream_of(network, layer, COLLAPSED_BACKWARD))
    g, _ = normal_pair(a, b)
    return g
