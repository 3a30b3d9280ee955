"""Means over networks against theory: which can be judged, and how likely the difference is."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from mcflow import quantities
from mcflow.answers.allowances import Expected
from mcflow.answers.verdict_rows import FEW, NUMERICAL, RARE, RULED, Found, Row, row
from mcflow.statistics import hypotheses

Floats = NDArray[np.float64]


def means(
    name: str, quantity: str, found: Found, of: Expected, units: Floats, wide: dict[str, Floats]
) -> Iterable[Row]:
    """A row for each layer with a prediction of one quantity.

    ``units`` (layer,) are those of one input, ``wide`` are the ``spreads`` of the case.
    """
    scale = np.abs(of.mean)
    if not found.is_positive:  # of a mean near 0 the spread within a layer is what round-off is relative to
        scale = np.maximum(scale, found.std)
    # networks that are too rare to have been drawn are in theory's spread, and not in the sample's
    drawn = np.fmax(found.error, of.std / np.sqrt(np.maximum(found.count, 1.0)))
    error = np.hypot(drawn, NUMERICAL * scale)
    skewness = _skewness(quantity, found, of, units, wide)
    rare = np.full(len(scale), np.inf)  # units expected on the rarer side of a share
    if quantities.get(quantity).kind == "fraction":
        share = _rarer_side(of)
        total = np.maximum(found.count, 1.0) * units
        rare = np.where((share == 0) & (found.mean == of.mean), np.inf, share * total)
        error = np.maximum(error, np.sqrt(share / total))
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        difference = found.mean - of.mean
        beyond = np.sign(difference) * np.maximum(np.abs(difference) - of.allowance, 0.0)
        z = hypotheses.skewness_corrected(beyond / error, np.where(np.isfinite(skewness), skewness, 0.0), found.count)
        p = hypotheses.two_sided(z, found.count - 1.0)
        p = np.where(beyond == 0, 1.0, p)
        spread = np.fmax(found.std / np.abs(found.mean), of.std / np.abs(of.mean)) ** 2
        effective = found.count / (1.0 + spread * (found.count - 1) / found.count)
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
        elif error[k] == 0 and difference[k] != 0 and not found.is_positive and abs(difference[k]) < NUMERICAL:
            why = "no spread over networks"
        certain = p[k] if error[k] > 0 else float(difference[k] == 0)
        yield row(
            (name, k, quantity, "mean", of.tier[k]),
            (found.mean[k], error[k], of.mean[k], of.allowance[k], found.count[k]),
            effective[k] if found.is_positive else np.nan,
            certain,
            why,
            int(found.exponent[k]),
        )


def _rarer_side(of: Expected) -> Floats:
    return np.clip(np.minimum(of.mean, 1.0 - of.mean), 0.0, 0.5)


def _skewness(quantity: str, found: Found, of: Expected, units: Floats, wide: dict[str, Floats]) -> Floats:
    """(layer,) skewness over networks to be reckoned with, drawn or not; infinite where a few rule everything.

    Of a moment that of a log-normal law as wide as its own. A signed mean, a share or a cosine has a sample skewness
    that is small just where the networks that make it were not drawn: where a few of them carry the second moment of
    the layer, they may carry everything.
    """
    if quantity in wide:
        return hypotheses.lognormal_skewness(wide[quantity])
    own = found.sample_skewness()
    if quantities.get(quantity).kind == "fraction":
        if np.isin(of.tier, "exact").all():  # of signs alone, whatever the sizes are
            return own
        own = np.fmax(own, _skewness_of_share(of, units))
    size = wide.get(quantities.get(quantity).size)
    if size is None:
        return own
    carried = hypotheses.lognormal_skewness(size)
    return np.where(carried > FEW * np.sqrt(found.count), np.inf, own)


def _skewness_of_share(of: Expected, units: Floats) -> Floats:
    """That of a share that a binomial count of units and a log-normal law of its probability make together."""
    share = _rarer_side(of)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        counted = share * (1.0 - share) / units
        between = np.sqrt(np.maximum(of.std**2 - counted, 0.0))
        relative = between / share
        third = (relative**3 + 3.0 * relative) * between**3 + counted * (1.0 - 2.0 * share) / units
        return np.where(share > 0.0, third / of.std**3, 0.0)
