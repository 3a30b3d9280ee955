"""A network as a program: its layers lowered, once, to a flat list of ops. Everything that derives sizes reads it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mcflow import schemes
from mcflow.activations.registry import Activation
from mcflow.errors import InputError
from mcflow.model import listing
from mcflow.model.layers.act import Act
from mcflow.model.layers.dense import Dense
from mcflow.model.ops import ELEMENTWISE, LINEAR, Op, Shape, Weights

Sizes = NDArray[np.int64]
Numbers = NDArray[np.float64]


class Defaults(NamedTuple):
    """What a case says of its layers where they say nothing themselves; ``gain`` None is each scheme's textbook one."""

    scheme: str
    activation: Activation
    gain: float | None
    mode: str
    bias_std: float | None


@dataclass(frozen=True, repr=False)
class Program:
    """The ops of a network in their order, for inputs of ``features`` entries.

    Arrays are of length L, one entry for each LINEAR op: ``width``, ``fan_in`` and ``fan_out`` are counts,
    ``weight_std``, ``weight_variance``, ``bias_std`` and ``bias_variance`` are of one weight and one bias.
    """

    ops: tuple[Op, ...]
    features: int

    def __len__(self) -> int:
        return len(self.ops)

    def __iter__(self) -> Iterator[Op]:
        return iter(self.ops)

    def __repr__(self) -> str:
        """A line for each op: what it is, its shape, fans, role, parameters and standard deviations."""
        return listing.text(self.ops)

    @cached_property
    def weights(self) -> tuple[Weights, ...]:
        """The random matrices, layer 1 first."""
        return tuple(op.weights for op in self.ops if op.weights is not None)

    @property
    def depth(self) -> int:
        return len(self.weights)

    @cached_property
    def matrices(self) -> tuple[tuple[int, int], ...]:
        """(rows, columns) of each random matrix: its units, and the numbers that it multiplies."""
        return tuple((op.after.features, op.before.features) for op in self.ops if op.kind == LINEAR)

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """Units of each layer 1..L."""
        return tuple(rows for rows, _ in self.matrices)

    @property
    def widest(self) -> int:
        """The most features of any column, those of the inputs too."""
        return max(*self.widths, self.features)

    @cached_property
    def units(self) -> int:
        """Units of all layers together."""
        return sum(self.widths)

    @cached_property
    def weight_count(self) -> int:
        """Weights of all matrices together."""
        return sum(rows * columns for rows, columns in self.matrices)

    @cached_property
    def width(self) -> Sizes:
        return np.array(self.widths, dtype=np.int64)

    @cached_property
    def fan_in(self) -> Sizes:
        return np.array([weights.fans.fan_in for weights in self.weights], dtype=np.int64)

    @cached_property
    def fan_out(self) -> Sizes:
        return np.array([weights.fans.fan_out for weights in self.weights], dtype=np.int64)

    @cached_property
    def weight_variance(self) -> Numbers:
        return np.array([weights.variance for weights in self.weights])

    @cached_property
    def weight_std(self) -> Numbers:
        return np.sqrt(self.weight_variance)

    @cached_property
    def bias_variance(self) -> Numbers:
        return np.array([weights.bias_variance for weights in self.weights])

    @cached_property
    def bias_std(self) -> Numbers:
        return np.sqrt(self.bias_variance)

    @property
    def has_biases(self) -> bool:
        return bool((self.bias_variance > 0.0).any())

    @cached_property
    def biases_are_uniform(self) -> bool:
        """Whether biases are drawn uniformly; those of standard deviation 0 are of either law."""
        return any(weights.uniform_bias for weights in self.weights)


def lower(layers: Iterable[tuple[Dense | Act, str]], features: int, defaults: Defaults) -> Program:
    """The program of named layers, which ``vocabulary.unroll`` gives.

    Raises InputError where a scheme gives a layer's weights no positive variance, or an activation has no torch gain.
    """
    layers = list(layers)
    depth = sum(isinstance(layer, Dense) for layer, _ in layers)
    made: dict[tuple[Dense, Shape], Weights] = {}  # a deep stack has few kinds of layers
    ops, shape, buffer, number = [], Shape(features), 0, 0
    for layer, name in layers:
        after, kind, weights, function = layer.out(shape), ELEMENTWISE, None, ""
        if isinstance(layer, Dense):
            kind, number = LINEAR, number + 1
            role = "stem" if number == 1 else "head" if number == depth else "hidden"
            if (layer, shape) not in made:
                made[layer, shape] = _weights(layer, shape, defaults)
            weights = made[layer, shape]._replace(layer=number, role=role)
        else:
            function = layer.name or defaults.activation.name
        # a chain needs two buffers in turn; where branches are, one that nobody waits for
        ops.append(Op(kind, layer.word, name, shape, after, (buffer,), 1 - buffer, weights, function))
        shape, buffer = after, 1 - buffer
    return Program(tuple(ops), features)


def _weights(layer: Dense, shape: Shape, defaults: Defaults) -> Weights:
    """The weights of a layer but for its number and role."""
    scheme = schemes.get(layer.scheme or defaults.scheme)
    fans = layer.fans(shape)
    bias_std = defaults.bias_std if layer.bias_std is None else layer.bias_std
    variance = scheme.weight_variance(*fans, _gain(layer, scheme, defaults), defaults.mode)
    if not (math.isfinite(variance) and variance > 0):
        raise InputError(
            f"scheme {scheme.name}: the weight variance of a {fans.fan_out} x {fans.fan_in} layer is {variance}; "
            "it must be positive"
        )
    is_uniform = bias_std is None and scheme.uniform_bias
    # torch.nn.Linear draws biases U(+-1/sqrt(fan_in)): a third of the square
    bias_variance = 1.0 / (3.0 * fans.fan_in) if is_uniform else (bias_std or 0.0) ** 2
    return Weights(0, "", fans, fans, scheme.distribution.name, variance, bias_variance, is_uniform)


def _gain(layer: Dense, scheme: schemes.Scheme, defaults: Defaults) -> float:
    if layer.gain is None:
        return scheme.textbook_gain(defaults.activation) if defaults.gain is None else defaults.gain
    if layer.gain == "torch":
        return schemes.torch_gain(defaults.activation)
    return scheme.textbook_gain(defaults.activation) if layer.gain == "scheme" else float(layer.gain)
