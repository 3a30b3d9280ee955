"""The ops that a network is a program of, each a map of matrices (features x columns); a column is an input, or one
position of it. Only LINEAR holds randomness; every other kind is a deterministic map with a known adjoint."""

from __future__ import annotations

import math
from typing import NamedTuple

LINEAR, ELEMENTWISE = "linear", "elementwise"
KINDS = (LINEAR, ELEMENTWISE)


class Shape(NamedTuple):
    """What one input is between two ops: ``features`` x ``positions`` numbers (one position where layers are dense)."""

    features: int
    positions: int = 1


class Fans(NamedTuple):
    """Terms in a sum: ``fan_in`` of a unit of the layer forward, ``fan_out`` of a unit below it backward."""

    fan_in: int
    fan_out: int


class Weights(NamedTuple):
    """The random matrix (units x fan_in) and biases (units,) of a LINEAR op: all that differs between networks.

    ``layer`` counts LINEAR ops from 1. ``role`` is what the network uses it for: ``stem`` the first, ``head`` the last,
    ``hidden`` between. ``fans`` are the true ones and ``stated`` those that frameworks take. Variances are of one
    weight and of one bias.
    """

    layer: int
    role: str
    fans: Fans
    stated: Fans
    distribution: str
    variance: float
    bias_variance: float
    uniform_bias: bool

    @property
    def std(self) -> float:
        return math.sqrt(self.variance)

    @property
    def bias_std(self) -> float:
        return math.sqrt(self.bias_variance)


class Op(NamedTuple):
    """One op: the buffers it reads, that which it writes, and the shapes of what it takes and makes.

    ``word`` and ``name`` say which layer of the user's it comes from: ``dense``, the ``repeat3.dense1`` of the network.
    ``source`` has one buffer but where branches meet. ``weights`` are those of a LINEAR op, ``function`` names what an
    ELEMENTWISE one does to each number.
    """

    kind: str
    word: str
    name: str
    before: Shape
    after: Shape
    source: tuple[int, ...]
    destination: int
    weights: Weights | None = None
    function: str = ""

    @property
    def parameters(self) -> int:
        """How many weights, and biases where they are not all zero, the op has."""
        if self.weights is None:
            return 0
        rows, columns = self.after.features, self.weights.fans.fan_in
        return rows * (columns + (self.weights.bias_variance > 0.0))
