"""The prediction of a case: for every quantity and layer the highest tier of the theory that reaches it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mcflow import quantities
from mcflow.errors import InputError, nearest
from mcflow.mean_field.quadrature import Array
from mcflow.model.case import Case, require_case
from mcflow.quantities import NAMES
from mcflow.theory import stability
from mcflow.theory.estimate import TIERS, Estimate
from mcflow.theory.finite_width import first_order, gradient_cosine, law_estimates, piecewise_linear
from mcflow.theory.finite_width.exact_law import Unresolved
from mcflow.theory.infinite_width import correlation, first_layer, trajectory
from mcflow.theory.stack import Stack, of_case

if TYPE_CHECKING:
    import xarray

SEVERAL = (
    "spread over networks for several inputs, which share their weights, of fourth moments, fractions and gradients, "
    "and of other averages where 1/width is not small"
)


def predict(case: Case, inputs: Array | None = None, tier: str = "exact") -> xarray.Dataset:
    """What theory says of a case, by the names of the file, (layer,) each: the mean over networks.

    ``inputs`` (batch, features); None stands for inputs of second moment 1. ``tier`` is the highest that may be used:
    ``exact``, ``exact-law``, ``first-order`` or ``infinite-width``.

    Besides each QUANTITY: ``QUANTITY_std`` over networks, ``QUANTITY_log10`` of the mean (for what can leave float64),
    ``QUANTITY_log_mean`` and ``QUANTITY_log_std`` of its natural logarithm over the networks where it is positive, each
    where theory has it; coordinate ``tier`` (quantity, layer); in the attributes of a quantity ``tier``, ``std_tier``
    and ``left_out``. ``dead_probability`` is P(every unit of the layer is off), for ReLU.
    Raises InputError for an activation that is not square-integrable, or an unknown tier.
    """
    require_case(case, "predict")
    if tier not in TIERS:
        raise InputError(f"unknown tier {tier!r}; {nearest(tier, TIERS)}")
    stack = of_case(case, inputs)
    path = trajectory.trajectory(stack)
    candidates, notes = _candidates(stack, path, TIERS[TIERS.index(tier) :])
    if not stack.activation.has_slope:
        candidates = [_without_slopes(estimates) for estimates in candidates]
        where = ", ".join(f"{jump:g}" for jump in stack.activation.jumps[:3])
        notes.append(
            f"gradients and the shares of active and saturated units (phi jumps at h = {where}, and no dphi was given: "
            "a difference quotient is no derivative there)"
        )
    return _dataset(case, stack, candidates, notes, stability.sentence(stack, path))


def _candidates(
    stack: Stack, path: trajectory.Trajectory, allowed: tuple[str, ...]
) -> tuple[list[dict[str, Estimate]], list[str]]:
    """The estimates of each tier, the highest first, and why tiers are absent."""
    found: list[dict[str, Estimate]] = []
    notes: list[str] = []
    exact: dict[str, Estimate] = {}
    if "exact" in allowed:
        exact = piecewise_linear.estimates(stack) | gradient_cosine.estimates(stack)
        found.append(exact)
        if path.first is not None:
            found.append(first_layer.estimates(stack, path.share, path.first))
    if "exact-law" in allowed and not _complete(exact):
        try:
            found.append(law_estimates.estimates(stack, path, law_estimates.chains(stack, path)))
        except (Unresolved, InputError) as reason:
            # InputError: a user's function that cannot be averaged in the far tail of the law, where K itself can be
            notes.append(f"exact law ({reason})")
    if "first-order" in allowed:
        with np.errstate(divide="ignore", invalid="ignore"):  # phi' = 0 everywhere: no relative change of a gradient
            first = first_order.estimates(stack, path)
        if not first:
            notes.append("corrections of order 1/width (the variance leaves 1e-40 .. 1e40)")
        found.append(first)
    found.append(infinite_width(stack, path))
    return found, notes


def _without_slopes(estimates: dict[str, Estimate]) -> dict[str, Estimate]:
    """The same, with nothing said of what is made of phi'."""
    return {
        name: estimate
        if not quantities.get(name).of_slope
        else Estimate(estimate.tier, np.full_like(estimate.mean, np.nan))
        for name, estimate in estimates.items()
    }


def _complete(estimates: dict[str, Estimate]) -> bool:
    """Whether the exact tier has every forward quantity, so that the exact law would add nothing."""
    return "activation_mean" in estimates


def infinite_width(stack: Stack, path: trajectory.Trajectory) -> dict[str, Estimate]:
    """The infinite-width estimate of each quantity that has one."""
    values = trajectory.summarise(stack, path)
    out = {
        name: Estimate("infinite-width", values[name], log10=values.get(f"{name}_log10"))
        for name in values
        if not name.endswith("_log10")
    }
    cosine = correlation.mean_cosine(stack, path)
    if cosine is not None:
        out["preactivation_correlation"] = Estimate("infinite-width", cosine)
    return out | gradient_cosine.estimates(stack, "infinite-width")


def _dataset(
    case: Case, stack: Stack, candidates: list[dict[str, Estimate]], notes: list[str], stable: str
) -> xarray.Dataset:
    import xarray

    variables: dict[str, tuple[str, Array, dict[str, str]]] = {}
    tiers = []
    names = [name for name in NAMES if any(name in estimates for estimates in candidates)]
    for name in names:
        ranked = [estimates[name] for estimates in candidates if name in estimates]
        mean, tier = _highest(ranked, "mean", stack.depth)
        std, std_tier = _highest(ranked, "std", stack.depth)
        tiers.append(tier)
        attributes = {"long_name": quantities.get(name).long_name, "units": "1", "tier": _span(tier)}
        if np.isfinite(std).any():
            attributes["std_tier"] = _span(std_tier)
            variables[f"{name}_std"] = ("layer", std, {"long_name": f"standard deviation over networks of: {name}"})
        attributes["left_out"] = _left_out(stack, tier, notes)
        variables[name] = ("layer", mean, attributes)
        for extra, what in (
            ("log10", "decimal logarithm of the mean"),
            ("log_mean", "mean of the natural logarithm"),
            ("log_std", "standard deviation of the natural logarithm"),
        ):
            values, _ = _highest(ranked, extra, stack.depth)
            if not np.isnan(values).all():
                variables[f"{name}_{extra}"] = ("layer", values, {"long_name": f"{what} of: {name}"})
    dead = piecewise_linear.dead_probability(stack)
    if dead is not None:
        about = {"long_name": "P(every unit of the layer is off)", "tier": "exact"}
        variables["dead_probability"] = ("layer", dead, about)
    sizes = {
        "width": ("layer", stack.width.astype(np.int64)),
        "fan_in": ("layer", stack.fan_in.astype(np.int64)),
        "weight_std": ("layer", np.sqrt(stack.weight_variance)),
    }
    return xarray.Dataset(
        {**variables, **sizes},
        coords={
            "layer": np.arange(1, stack.depth + 1),
            "quantity": names,
            "tier": (("quantity", "layer"), np.array(tiers)),
        },
        attrs={
            "scheme": case.scheme,
            "activation": case.activation,
            "gain": case.numeric_gain,
            "left_out": "; ".join([*notes, *([SEVERAL] if len(stack.input_moment) > 1 else [])]),
            "stability": stable,
        },
    )


def _highest(ranked: list[Estimate], what: str, depth: int) -> tuple[Array, Array]:
    """Values layer by layer from the highest tier that has them, and the names of those tiers."""
    values, tier = np.full(depth, np.nan), np.full(depth, "", dtype="<U16")
    for estimate in ranked:
        offered = getattr(estimate, what)
        if offered is not None:
            take = np.isnan(values) & ~np.isnan(offered)
            values[take], tier[take] = offered[take], estimate.tier
    return values, tier


def _span(tier: Array) -> str:
    """``first-order (layers 1-12), infinite-width (layers 13-30)``, or the one tier of all layers."""
    kinds = [kind for kind in TIERS if kind in tier]
    if len(kinds) == 1:
        return kinds[0]
    parts = []
    for kind in kinds:
        layers = np.flatnonzero(tier == kind) + 1
        parts.append(f"{kind} (layers {layers[0]}-{layers[-1]})")
    return ", ".join(parts)


def _left_out(stack: Stack, tier: Array, notes: list[str]) -> str:
    clauses = []
    if "first-order" in tier:
        clauses.append("terms of order 1/width^2")
        if not stack.distribution.is_continuous:
            clauses.append("the atoms of sign weights")
    if "infinite-width" in tier:
        clauses.append("all corrections of finite width")
    return "; ".join(clauses) or "nothing"
