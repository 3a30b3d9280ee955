"""Means over networks against theory: which can be judged, and how likely the difference is."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from mcflow import hypotheses
from mcflow.expected import Expected
from mcflow.verdict_rows import Found, Row, row

Floats = NDArray[np.float64]

NUMERICAL = 3e-6  # float32 arithmetic, relative: it does not average out over networks
FEW = 0.25  # skewness / sqrt(networks) from which on a mean is ruled by a few networks
LEAST = 1e-290  # below it float64 itself loses digits
RARE = 30.0  # units expected on the rarer side of a share, below which it is not judged
RULED = "the mean is ruled by a few networks"


def means(name: str, quantity: str, found: Found, of: Expected, units: Floats) -> Iterable[Row]:
    """A row for each layer with a prediction of one quantity; ``units`` (layer,) counts those of all inputs."""
    scale = np.abs(of.mean)
    if not found.is_positive:  # of a mean near 0 the spread within a layer is what round-off is relative to
        scale = np.maximum(scale, found.std)
    error = np.hypot(found.error, NUMERICAL * scale)
    skewness = found.skewness()
    rare = np.full(len(scale), np.inf)  # units expected on the rarer side of a share
    if quantity.endswith("fraction"):
        share = np.clip(np.minimum(of.mean, 1.0 - of.mean), 0.0, 0.5)
        total = np.maximum(found.count, 1.0) * units
        rare = np.where((share == 0) & (found.mean == of.mean), np.inf, share * total)
        error = np.maximum(error, np.sqrt(share / total))
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        difference = found.mean - of.mean
        beyond = np.sign(difference) * np.maximum(np.abs(difference) - of.allowance, 0.0)
        z = hypotheses.skewness_corrected(beyond / error, skewness, found.count)
        p = hypotheses.two_sided(z, found.count - 1.0)
        p = np.where(beyond == 0, 1.0, p)
        spread = (found.std / found.mean) ** 2 * (found.count - 1) / found.count
        effective = found.count / (1.0 + spread)
    for k in np.flatnonzero(~np.isnan(of.mean)):
        why = ""
        if found.count[k] < 2:
            why = "fewer than two networks"
        elif not np.isfinite(of.allowance[k]):
            why = f"the {of.tier[k]} tier is not to be trusted here"
        elif rare[k] < RARE:
            why = f"too rare: {rare[k]:.2g} units expected"
        elif abs(skewness[k]) > FEW * math.sqrt(found.count[k]):
            why = RULED
        elif not (np.isfinite(error[k]) and np.isfinite(difference[k])):
            why = "beyond the range of float64"
        elif found.is_positive and of.mean[k] < LEAST:
            why = "below the range of float64"
        elif error[k] == 0 and difference[k] != 0 and not found.is_positive and abs(difference[k]) < NUMERICAL:
            why = "no spread over networks"
        certain = p[k] if error[k] > 0 else float(difference[k] == 0)
        yield row(
            (name, k, quantity, "mean", of.tier[k]),
            (found.mean[k], error[k], of.mean[k], of.allowance[k], found.count[k]),
            effective[k] if found.is_positive else np.nan,
            certain,
            why,
        )
