"""What theory needs to know of a case: the variances and kurtosis of its weights, layer by layer, and its inputs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mcflow.activations.registry import Activation
from mcflow.distributions import Distribution
from mcflow.errors import InputError
from mcflow.mean_field.quadrature import Array
from mcflow.model.case import Case
from mcflow.theory import input_pairs
from mcflow.theory.input_pairs import InputPairs


@dataclass(frozen=True)
class Stack:
    """The layers 1..L of a case, entry l - 1 for layer l, and the second moments of its inputs.

    ``weight_variance`` is Var W_ij, ``forward`` = fan_in Var W (sigma_w^2), ``backward`` = n_(l+1) Var W_(l+1): the
    factor that takes a gradient from layer l + 1 to layer l (1 in the last layer, where the cotangent is N(0, 1)).
    ``input_moment`` and ``input_fourth`` are (batch,) means over features of x_0^2 and x_0^4. ``amplitude`` is
    (batch, feature) x_0 times the standard deviation of a weight of layer 1, of inputs that are known and independent
    weights that are not normal: then h_1 is not Gaussian.
    """

    activation: Activation
    distribution: Distribution
    kurtosis: float
    width: Array
    fan_in: Array
    weight_variance: Array
    bias_variance: Array
    uniform_bias: bool
    input_moment: Array
    input_fourth: Array
    pairs: InputPairs
    amplitude: Array | None = None

    @property
    def depth(self) -> int:
        return len(self.width)

    @property
    def forward(self) -> Array:
        return self.fan_in * self.weight_variance

    @property
    def backward(self) -> Array:
        return np.append(self.width[1:] * self.weight_variance[1:], 1.0)

    @property
    def has_bias(self) -> bool:
        return bool((self.bias_variance > 0).any())

    @property
    def is_off_below_zero(self) -> bool:
        """Whether phi is 0 for every h < 0, so that all units of a layer can be off at once."""
        return not self.activation.phi(-np.geomspace(1e-3, 1e3, 25)).any()

    @property
    def alive(self) -> Array:
        """(layer,) P that x_(l-1) is not 0, or does not matter: biases let a layer live on a dead one.

        Where phi is 0 below 0 every unit of a live layer is off with probability 1/2, for h without an atom at 0.
        """
        if self.has_bias or not self.is_off_below_zero:
            return np.ones(self.depth)
        return np.concatenate([[1.0], np.cumprod(-np.expm1(-self.width[:-1] * math.log(2.0)))])


def of_case(case: Case, inputs: Array | None = None, gain: float | None = None) -> Stack:
    """The stack of a case for (batch, features) inputs; None stands for Gaussian inputs of second moment 1.

    ``gain`` replaces the case's own (which may itself be solved for by theory), not that of a layer. Raises
    InputError where the inputs do not fit the case.
    """
    entries: Array | None = None
    if inputs is None:
        features = case.features_or_width
        entries = np.ones((case.batch, 1)) if features == 1 else None
        moment = np.ones(case.batch)
        fourth = np.full(case.batch, 3.0 * features / (features + 2.0))  # x_0 uniform on the sphere
        pairs = input_pairs.of_correlated(case.batch, case.correlation)
    else:
        inputs = np.asarray(inputs, dtype=np.float64)
        if inputs.ndim != 2 or inputs.size == 0 or not np.isfinite(inputs).all():
            raise InputError(f"inputs of shape {inputs.shape} do not fit; give finite (batch, features)")
        features = inputs.shape[1]
        entries = inputs
        moment, fourth = np.mean(inputs**2, axis=1), np.mean(inputs**4, axis=1)
        pairs = input_pairs.of_inputs(inputs, case.correlation is not None)
    program = case.program_for(features, gain)
    variance = program.weight_variance
    if case.rule.distribution.is_rotation_invariant:
        entries = None
    return Stack(
        case.nonlinearity,
        case.rule.distribution,
        case.rule.distribution.excess_kurtosis,
        program.width.astype(np.float64),
        program.fan_in.astype(np.float64),
        variance,
        program.bias_variance,
        program.biases_are_uniform,
        moment,
        fourth,
        pairs,
        None if entries is None else entries * math.sqrt(variance[0]),
    )


def log_or_minus_infinity(values: Array) -> Array:
    """Natural logarithms; -inf at 0, without a warning."""
    with np.errstate(divide="ignore"):
        return np.log(values)


def log_mean(logs: Array, axis: int = 0) -> Array:
    """log of the mean of exp(logs) along an axis, without leaving the range of float64."""
    top = np.max(logs, axis=axis, keepdims=True)
    safe = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.squeeze(safe, axis=axis) + np.log(np.mean(np.exp(logs - safe), axis=axis))


def log_add(a: Array, b: float) -> Array:
    """log(exp(a) + b) for b >= 0."""
    return np.logaddexp(a, math.log(b)) if b > 0 else np.asarray(a)
