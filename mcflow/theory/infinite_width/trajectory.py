"""Infinite width: the variance and gradient maps of a case, layer by layer, in the log domain."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mcflow.activations.registry import Activation
from mcflow.mean_field import fractions, moments, quadrature
from mcflow.mean_field.evaluation import evaluate
from mcflow.mean_field.quadrature import Array
from mcflow.model.case import Case
from mcflow.theory.infinite_width import first_layer
from mcflow.theory.infinite_width.first_layer import FirstLaw
from mcflow.theory.input_pairs import Index
from mcflow.theory.stack import Stack, log_add, log_mean, log_or_minus_infinity, of_case

DISTINCT = 12  # more input norms than this: the maps are interpolated between Chebyshev points in log q
DIGITS = 13  # inputs whose log second moments agree to this many decimals share one trajectory
LN10 = math.log(10.0)


@dataclass(frozen=True)
class Trajectory:
    """(input, layer) natural logarithms at infinite width, one row for each distinct input norm.

    ``share`` (input,) is the share of the batch that a row stands for, ``row`` (batch,) the row of each input.
    ``preactivation`` log q_l, ``activation`` log E phi^2, ``slope`` log E phi'^2, ``fourth`` log E phi^4,
    ``size`` log E |phi|, ``gradient`` log E d_l^2; ``mean`` is E phi itself. ``first`` holds the laws of h_1, one a
    row, where they are not Gaussian; the widths alone are infinite, not the number of features.
    """

    share: Array
    row: Index
    preactivation: Array
    activation: Array
    slope: Array
    fourth: Array
    gradient: Array
    mean: Array
    size: Array
    input: Array  # (input,) log M_0
    first: tuple[FirstLaw, ...] | None = None


def trajectory(stack: Stack) -> Trajectory:
    """Follow each distinct input through the layers; E x_l^2 = E phi(sqrt(q_l) z)^2 and chi backwards.

    Inputs are distinct by their norms, or by all their entries where h_1 is not Gaussian.
    """
    log_input = log_or_minus_infinity(stack.input_moment)
    key = np.where(np.isfinite(log_input), np.round(log_input, DIGITS), -np.inf)
    own = first_layer.laws(stack)
    _, which, row, count = np.unique(
        key if own is None else own[0], return_index=True, return_inverse=True, return_counts=True
    )
    start = log_input[which]
    log_forward = np.log(stack.forward)
    shape = (len(start), stack.depth)
    q, phi, slope, fourth, mean, size = (np.empty(shape) for _ in range(6))
    x = start
    for layer in range(stack.depth):
        q[:, layer] = log_add(log_forward[layer] + x, float(stack.bias_variance[layer]))
        if own is not None and layer == 0:
            parts = _signed(np.array([first_layer.log_moments(each, stack.activation) for each in own[1]]))
        else:
            parts = _moments(stack.activation, q[:, layer])
        phi[:, layer], slope[:, layer], fourth[:, layer], mean[:, layer], size[:, layer] = parts
        x = phi[:, layer]
    gradient = np.cumsum((slope + np.log(stack.backward))[:, ::-1], axis=1)[:, ::-1]
    laws = None if own is None else own[1]
    return Trajectory(count / len(row), row.astype(np.int64), q, phi, slope, fourth, gradient, mean, size, start, laws)


def _moments(activation: Activation, log_q: Array) -> tuple[Array, ...]:
    if len(log_q) <= DISTINCT or not np.isfinite(log_q).all() or np.ptp(log_q) == 0:
        return _signed(np.array([_one(activation, x) for x in log_q.tolist()]))
    low, high = float(log_q.min()), float(log_q.max())
    count = max(DISTINCT, min(96, int(6 * (high - low)) + DISTINCT))
    nodes = quadrature.chebyshev(count, low, high)
    table = np.array([_one(activation, x) for x in nodes.tolist()])
    across = quadrature.interpolation(nodes, log_q)
    parts = _signed(table)
    return tuple(across @ np.where(np.isfinite(part), part, -1e4) for part in parts)


def _one(activation: Activation, log_q: float) -> moments.LogMoments:
    if log_q == -math.inf:  # a zero input without biases: every unit sits at phi(0)
        p, d = (float(value[0]) for value in evaluate(activation, np.zeros(1)))
        a, b, c, e = log_or_minus_infinity(np.array([p * p, d * d, p**4, abs(p)])).tolist()
        return a, b, c, e, math.copysign(math.inf, p), e
    return moments.log_moments(activation, log_q)


def _signed(table: Array) -> tuple[Array, ...]:
    with np.errstate(over="ignore"):
        mean = np.exp(table[:, 3]) * np.sign(table[:, 4])
    return table[:, 0], table[:, 1], table[:, 2], mean, table[:, 5]


def propagate(case: Case, inputs: Array | None = None) -> dict[str, Array]:
    """Infinite-width predictions of a case, (layer,) each, by the file's quantity names.

    Means over the inputs of the batch (inputs None: of second moment 1). Values beyond float64 come out as 0 or inf;
    ``QUANTITY_log10`` of the second moments holds their decimal logarithm.
    Raises InputError for an activation that is not square-integrable.
    """
    return summarise(of_case(case, inputs))


def second_moments(case: Case, inputs: Array | None = None) -> dict[str, Array]:
    """Of ``propagate`` the moments alone, each with its logarithm: what a run lays out and shows."""
    stack = of_case(case, inputs)
    path = trajectory(stack)
    logs, linear = _moments_of_batch(path)
    return _with_first_layer(stack, path, linear | _log10(logs))


def summarise(stack: Stack, path: Trajectory | None = None) -> dict[str, Array]:
    """The averages over the batch of one stack's trajectories; see ``propagate``."""
    path = trajectory(stack) if path is None else path
    logs, linear = _moments_of_batch(path)
    with np.errstate(over="ignore", under="ignore"):
        variance = np.exp(path.preactivation)
    log_share = _log_share(path)
    with np.errstate(invalid="ignore"):  # of activations that are 0 for certain there is none
        ratio = np.exp(2.0 * logs["activation_second_moment"] - log_mean(path.fourth + log_share))
    out = {
        "preactivation_mean": np.zeros(stack.depth),
        **linear,
        "activation_mean": path.share @ path.mean,
        "participation_ratio": ratio,
        "active_fraction": path.share @ fractions.active(stack.activation, variance),
        "saturated_fraction": path.share @ fractions.saturated(stack.activation, variance),
    }
    return _with_first_layer(stack, path, out | _log10(logs))


def _log_share(path: Trajectory) -> Array:
    return np.log(path.share * len(path.share))[:, None]


def _moments_of_batch(path: Trajectory) -> tuple[dict[str, Array], dict[str, Array]]:
    """quantity -> (layer,) natural logarithms of the batch's mean, and the mean itself, 0 or inf beyond float64."""
    log_share = _log_share(path)
    q = path.preactivation
    previous = np.concatenate([path.input[:, None], path.activation[:, :-1]], axis=1)
    logs = {
        "preactivation_second_moment": log_mean(q + log_share),
        "preactivation_fourth_moment": math.log(3.0) + log_mean(2.0 * q + log_share),
        "activation_absolute_mean": log_mean(path.size + log_share),
        "activation_second_moment": log_mean(path.activation + log_share),
        "gradient_second_moment": log_mean(path.gradient + log_share),
        "weight_gradient_second_moment": log_mean(path.gradient + previous + log_share),
    }
    with np.errstate(over="ignore", under="ignore"):
        return logs, {name: np.exp(value) for name, value in logs.items()}


def _log10(logs: dict[str, Array]) -> dict[str, Array]:
    return {f"{name}_log10": value / LN10 for name, value in logs.items()}


def _with_first_layer(stack: Stack, path: Trajectory, out: dict[str, Array]) -> dict[str, Array]:
    """The same, with what is known exactly of layer 1 where h_1 is not Gaussian."""
    if path.first is not None:
        for name, estimate in first_layer.estimates(stack, path.share, path.first).items():
            if name not in out:
                continue
            out[name][0] = estimate.mean[0]
            if estimate.log10 is not None:
                out[f"{name}_log10"][0] = estimate.log10[0]
    return out
