"""Whether a signal stays where it is: the slope of the variance map, and what is left where no scheme makes it 1."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from mcflow.activations.registry import Activation
from mcflow.errors import InputError
from mcflow.mean_field.moments import LOG_Q_HIGH, LOG_Q_LOW, USER_LOG_Q_HIGH, moments
from mcflow.mean_field.variance_map import highest
from mcflow.theory.infinite_width.trajectory import Trajectory
from mcflow.theory.stack import Stack

STILL = 0.01  # change of log q from a layer to the next under which q stands at a fixed point
MARGINAL = 1e-6  # of a slope beyond 1
NORMS = 8  # inputs of different norms that are looked at
STEEP = 1.1  # d log V / d log q from which it is asked whether any scheme keeps the activation
# the search for a stable point of the edge of chaos, in log q, and where one is likely: it begins there
LOWEST_Q, POINTS, LIKELY = math.log(1e-6), 61, math.log(10.0)


def elasticity(activation: Activation, q: float) -> float:
    """d log E phi^2 / d log q at q: the slope V'(q) of a variance map without biases that has its fixed point there."""
    m = moments(activation, q)
    return float(m.second[1] / (2.0 * m.second[0]))


@lru_cache(maxsize=256)
def _has_stable_edge(activation: Activation, scalar: object) -> bool:
    grid = np.linspace(LOWEST_Q, highest(activation), POINTS)
    for log_q in grid[np.argsort(np.abs(grid - LIKELY))].tolist():
        q = math.exp(log_q)
        try:
            m = moments(activation, q)
        except InputError:  # a user's function that cannot be averaged at so large a q
            continue
        square, slope = float(m.second[0]), float(m.slope[0])
        # sigma_b^2 >= 0 with sigma_w^2 = 1 / E phi'^2, and |V'| <= 1
        bias_is_real = square <= q * slope * (1.0 + 1e-12)
        if slope > 0.0 and bias_is_real and abs(float(m.second[1])) <= 2.0 * q * slope * (1.0 + 1e-9):
            return True
    return False


def has_stable_edge(activation: Activation) -> bool:
    """Whether some sigma_w and sigma_b keep both gradients (chi_1 = 1) and the variance that does so (|V'| <= 1)."""
    return activation.negative_slope is not None or _has_stable_edge(activation, activation.scalar)


def normalised_scale(activation: Activation) -> tuple[float, float]:
    """1 / sqrt(E phi(z)^2) and E phi'(z)^2 / E phi(z)^2, z ~ N(0, 1): the scale of phi of a normalised h.

    Then E x^2 = 1 in every layer, and the second ratio is the factor of gradients from layer to layer.
    """
    m = moments(activation, 1.0)
    return 1.0 / math.sqrt(float(m.second[0])), float(m.slope[0] / m.second[0])


def advice(activation: Activation) -> str:
    """What to do with an activation that no scheme keeps."""
    scale, factor = normalised_scale(activation)
    gradients = f" (gradients then change by E phi'(z)^2 / E phi(z)^2 = {factor:.4g} a layer)"
    return (
        "no scheme keeps it; use normalisation: LayerNorm or RMSNorm on the preactivations, and phi multiplied by "
        f"{scale:.6g} = 1 / sqrt(E phi(z)^2), so that E x^2 = 1 in every layer whatever the weights"
        + (gradients if math.isfinite(factor) else "")
    )


def sentence(stack: Stack, path: Trajectory) -> str:
    """Where the variance of some input stands at an unstable fixed point, or cannot be held anywhere; else empty."""
    high = LOG_Q_HIGH if stack.activation.is_builtin else USER_LOG_Q_HIGH
    if stack.activation.negative_slope is not None:
        return ""
    for row in path.preactivation[:NORMS]:
        with np.errstate(invalid="ignore"):  # a zero input stays at log q = -inf
            still = np.flatnonzero(np.abs(np.diff(row)) < STILL)
        for layer in [0, *still[:1].tolist()][: stack.depth - 1]:
            log_q, after = float(row[layer]), float(row[layer + 1])
            if not (LOG_Q_LOW < log_q < high and math.isfinite(after)):
                continue
            # V'(q) q / V(q): the slope where q is a fixed point, and how a relative deviation grows elsewhere
            share = 1.0 - float(stack.bias_variance[layer + 1]) * math.exp(-after)
            slope = share * elasticity(stack.activation, math.exp(log_q))
            stands = abs(after - log_q) < STILL and abs(slope) > 1.0 + MARGINAL
            if stands or (slope > STEEP and not has_stable_edge(stack.activation)):
                return _unstable(stack.activation, layer + 1, math.exp(log_q), slope, stands)
    return ""


def _unstable(activation: Activation, layer: int, q: float, slope: float, still: bool) -> str:
    where = f"E h^2 = {q:.4g} is a fixed point of the variance map" if still else f"at E h^2 = {q:.4g}"
    rest = "a stable one exists (mcflow recommend names it)" if has_stable_edge(activation) else advice(activation)
    return (
        f"unstable: {where} (layer {layer}){' with' if still else ' the variance map has'} slope {slope:.4g} > 1: a "
        f"deviation of 1 % is multiplied by {slope:.4g} in every layer; {rest}"
    )
