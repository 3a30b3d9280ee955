"""What a tier of the theory says of one quantity: its mean over networks, its spread, and what was left out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mcflow.mean_field.quadrature import Array

TIERS = ("exact", "exact-law", "first-order", "infinite-width")  # the highest first
LN10 = math.log(10.0)


@dataclass(frozen=True)
class Estimate:
    """Predictions for one quantity, (layer,) each, in the unit of the quantity.

    ``mean`` and ``std`` are over networks; ``log10`` of the mean where it can leave float64. ``log_mean`` and
    ``log_std`` are of the natural logarithm over the networks where the quantity is positive. NaN marks a layer
    without a prediction. ``left_out`` is a clause.
    """

    tier: str
    mean: Array
    std: Array | None = None
    log10: Array | None = None
    log_mean: Array | None = None
    log_std: Array | None = None
    left_out: str = ""


def from_logs(
    tier: str,
    log_mean_value: Array,
    relative_variance: Array | None = None,
    log_law: tuple[Array, Array] | None = None,
    left_out: str = "",
) -> Estimate:
    """An estimate from the natural logarithm of its mean, Var / mean^2, and (mean, variance) of its logarithm."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        mean = np.exp(log_mean_value)
        std = None if relative_variance is None else mean * np.sqrt(np.maximum(relative_variance, 0.0))
    law_mean, law_std = (None, None) if log_law is None else (log_law[0], np.sqrt(log_law[1]))
    return Estimate(tier, mean, std, log_mean_value / LN10, law_mean, law_std, left_out)
