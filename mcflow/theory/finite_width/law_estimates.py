"""Predictions from the exact law: averages over the law of G of what a layer does given G."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from mcflow import quantities
from mcflow.mean_field.quadrature import Array
from mcflow.quantities import SATURATION
from mcflow.theory.estimate import Estimate, from_logs
from mcflow.theory.finite_width import exact_gradient, exact_law
from mcflow.theory.finite_width.exact_law import Chain
from mcflow.theory.finite_width.first_order import OBSERVABLES
from mcflow.theory.infinite_width.trajectory import Trajectory
from mcflow.theory.stack import Stack, log_mean

NORMS = 8  # distinct input norms that are followed; each is a chain of its own
NARROWEST = 8  # units: there means are right to 1e-6, against 2e-4 at 4 (leaky ReLU, where they are known)
NARROWEST_FLAT = 16  # where phi is 0 on one side, with a few units on: 4e-6 there, against 1e-4 at 8 (ReLU)
RARE = 1e-10  # a panel of the law with less probability is known to few digits only
RARE_SHARE = 1e-5  # of an average that may come from such panels
NAMES = tuple(OBSERVABLES)


@dataclass
class _Tables:
    """(point, quantity) of F(G) = E[f | G] and of Var f, panel by panel."""

    chain: Chain
    panels: dict[int, tuple[Array, Array]] = field(default_factory=dict)

    def of_layer(self, layer: int) -> tuple[Array, Array]:
        """F and Var f at the points of a layer's law, in the order of ``Chain.at``."""
        parts = [self._panel(j) for j in sorted(self.chain.laws[layer])]
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])

    def _panel(self, panel: int) -> tuple[Array, Array]:
        if panel not in self.panels:
            averages = self.chain.moments_of(panel)
            table = np.array([of(self.chain.activation, averages) for of in OBSERVABLES.values()])
            self.panels[panel] = table[:, 0].T, table[:, 3].T
        return self.panels[panel]


def chains(stack: Stack, path: Trajectory) -> list[Chain]:
    """The chain of each distinct input norm. Raises Unresolved where theory has no exact law for the case."""
    if not stack.distribution.is_gaussian:
        raise exact_law.Unresolved(f"{stack.distribution} weights: the variance alone is not a Markov chain")
    flat = bool((stack.activation.phi(np.array([-1.0, 1.0])) == 0.0).any())
    least = NARROWEST_FLAT if flat else NARROWEST
    if stack.width.min() < least:
        raise exact_law.Unresolved(f"layers of fewer than {least} units: the law is singular at 0")
    if len(path.share) > NORMS:
        raise exact_law.Unresolved(f"inputs of {len(path.share)} different norms: at most {NORMS} are followed")
    if not np.isfinite(path.input).all():
        raise exact_law.Unresolved("an input is zero")
    return [
        exact_law.chain(stack.activation, stack.width, stack.forward, stack.bias_variance, math.exp(x))
        for x in path.input.tolist()
    ]


def estimates(stack: Stack, path: Trajectory, laws: list[Chain]) -> dict[str, Estimate]:
    """Predictions of the exact law by quantity: means for any batch, spreads for one input."""
    single = len(stack.input_moment) == 1
    mean, spread = np.zeros((2, stack.depth, len(NAMES)))
    for share, law in zip(path.share.tolist(), laws, strict=True):
        tables = _Tables(law)
        for layer in range(stack.depth):
            value, variance = tables.of_layer(layer)
            _, weights = law.at(layer)
            dead = _dead(stack, 1.0 - float(weights.sum()))
            first = _average(weights, value) + dead * _at_zero(stack)
            mean[layer] += share * first
            spread[layer] = _average(weights, value**2) + dead * _at_zero(stack) ** 2 - first**2
            spread[layer] += weights @ variance / stack.width[layer]
    deviation = np.sqrt(np.maximum(spread, 0.0))
    out = {}
    for i, name in enumerate(NAMES):
        with np.errstate(divide="ignore", invalid="ignore"):
            log10 = np.log10(mean[:, i]) if quantities.get(name).kind == "moment" else None
        logs = _log_law(stack, laws[0], name) if single else (None, None)
        out[name] = Estimate("exact-law", mean[:, i], deviation[:, i] if single else None, log10, *logs)
    variance = mean[:, NAMES.index("preactivation_second_moment")]
    out["preactivation_mean"] = Estimate(
        "exact-law", np.zeros(stack.depth), np.sqrt(variance / stack.width) if single else None
    )
    return out if np.isnan(mean).any() else out | _gradients(stack, path, laws)


def _gradients(stack: Stack, path: Trajectory, laws: list[Chain]) -> dict[str, Estimate]:
    """Exact means of d^2 and (d x)^2; empty where the tilted laws are not resolved."""
    try:
        logs = []
        for log_input, law in zip(path.input.tolist(), laws, strict=True):
            start = np.full(stack.depth, math.exp(log_input))
            logs.append(exact_gradient.log_means(law, np.stack([stack.forward, stack.bias_variance, start], axis=1)))
    except (exact_law.Unresolved, ValueError):  # ValueError: the logarithm of a mean lost in round-off
        return {}
    share = np.log(path.share * len(path.share))[:, None]
    return {
        name: from_logs("exact-law", log_mean(np.array([pair[i] for pair in logs]) + share))
        for i, name in enumerate(("gradient_second_moment", "weight_gradient_second_moment"))
    }


def _average(weights: Array, values: Array) -> Array:
    """(quantity,) averages under the law; NaN where they come from networks too rare for the law's round-off."""
    terms = (weights[:, None] * values).reshape(-1, exact_law.POINTS, values.shape[1])
    rare = np.abs(weights).reshape(-1, exact_law.POINTS).sum(axis=1) < RARE
    of_panels = terms.sum(axis=1)
    total = of_panels.sum(axis=0)
    lost = np.abs(terms[rare]).sum(axis=(0, 1)) > RARE_SHARE * np.abs(of_panels).sum(axis=0)
    return np.where(lost, np.nan, total)


def _dead(stack: Stack, missing: float) -> float:
    """The share of networks that died, where every unit can be off at once; else what is missing is round-off."""
    return missing if missing > 1e-9 and not stack.has_bias else 0.0


def _at_zero(stack: Stack) -> Array:
    """Every quantity of a layer whose preactivations are all 0 because the layer before it is off."""
    p, d = (float(value[0]) for value in (stack.activation.phi(np.zeros(1)), stack.activation.dphi(np.zeros(1))))
    limit = stack.activation.dphi_max
    low = abs(d) < SATURATION * limit if math.isfinite(limit) else d == 0.0
    active = not any(a <= 0.0 <= b for a, b in stack.activation.flat)
    known = {"activation_second_moment": p * p, "activation_mean": p, "activation_absolute_mean": abs(p)}
    known |= {"active_fraction": active, "saturated_fraction": low}
    return np.array([float(known.get(name, 0.0)) for name in NAMES])


def _log_law(stack: Stack, law: Chain, name: str) -> tuple[Array | None, Array | None]:
    """Mean and standard deviation of log q: q = G chi^2_n / n, the two factors independent."""
    if name != "preactivation_second_moment":
        return None, None
    from scipy.special import polygamma, psi

    half = 0.5 * stack.width
    mean, variance = np.empty((2, stack.depth))
    for layer in range(stack.depth):
        logs, weights = law.at(layer)
        weights = weights / weights.sum()
        mean[layer] = weights @ logs
        variance[layer] = weights @ (logs - mean[layer]) ** 2
    return mean + psi(half) - np.log(half), np.sqrt(variance + polygamma(1, half))
