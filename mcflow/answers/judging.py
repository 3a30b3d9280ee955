"""One case's tests: each statistic that theory predicts beside what was measured, with its probability."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mcflow import quantities
from mcflow.answers import checks
from mcflow.answers.allowances import Expected, Prediction
from mcflow.answers.checks import extremes
from mcflow.answers.checks.recorded import Recorded
from mcflow.answers.judging_means import means
from mcflow.answers.spreads import spreads
from mcflow.answers.verdict_rows import COUNTED, NUMERICAL, Found, Row, row
from mcflow.files import kept_rows
from mcflow.files.missing import COUNT, missing
from mcflow.statistics import hypotheses
from mcflow.theory.finite_width import second_moment_law

if TYPE_CHECKING:
    import xarray

Floats = NDArray[np.float64]

LAWS = 8  # layers at which whole laws are compared: neighbours say the same
SPREAD_NEEDS = 50  # networks, before the spread of a sample says enough
# ... and as many more, times its square: the wider the logarithm, the longer its lower tail of nearly dead networks,
# which a small sample has not seen (25 seeds of ReLU at width 8: 4 false alarms at 200 networks without this).
WIDE_SPREAD_NEEDS = 1000


def rows_of_case(
    name: str, dataset: xarray.Dataset, prediction: Prediction, whole_laws: bool, records: bool
) -> Iterable[Row]:
    """A row for each layer, quantity and statistic of a case that theory predicts and the method gives.

    ``whole_laws`` compares laws too, ``records`` what rows and counts must obey whatever is predicted.
    """
    units = prediction.stack.width  # those of several inputs may be on and off together
    wide = spreads(dataset, prediction)
    for quantity, of in prediction.of.items():
        if f"{quantity}_mean" not in dataset:
            continue  # this method does not give it
        found = Found(dataset, quantity, of.exponent)
        yield from means(name, quantity, found, of, units, wide)
        if not np.isnan(of.log_mean).all():
            yield from _logarithms(name, quantity, found, of)
    if whole_laws:
        yield from _whole_laws(name, dataset, prediction)
    if records and prediction.of:
        yield from checks.rows(name, dataset, prediction)


def rows_of_missing(name: str, dataset: xarray.Dataset, cosines: bool) -> Iterable[Row]:
    """A row that fails for each quantity, predicted or not, for which some networks have no number."""
    done = int(dataset.attrs["networks_done"])
    counts = {}
    for quantity in filter(lambda quantity: quantity + COUNT in dataset, quantities.NAMES):
        counts[quantity + COUNT] = dataset[quantity + COUNT].values
        if quantity in dataset:  # the rows themselves, which a summary only tells of
            counts[quantity + COUNT] = np.minimum(counts[quantity + COUNT], kept_rows.numbers(dataset, quantity))
    for item in missing(counts, done, cosines):
        place = (name, item.layer - 1, item.quantity, COUNTED, "exact")
        yield row(place, (done - item.networks, 0.0, done, 0.0, done), np.nan, 0.0, "")


def _logarithms(name: str, quantity: str, found: Found, of: Expected) -> Iterable[Row]:
    """Mean and spread of the logarithm: they judge what a mean with a heavy tail cannot."""
    alive = np.rint(found.count * (1.0 - np.nan_to_num(found.zero)))  # no network, no share of dead ones
    skewness, kurtosis = found.shape_of_logarithms()
    with np.errstate(invalid="ignore", divide="ignore"):
        few = alive < SPREAD_NEEDS
        # of few networks the sample's own spread is too rough: theory's stands in, or the mean is not judged
        spread = np.where(few, of.log_std, found.log_std)
        error = np.hypot(spread / np.sqrt(alive), NUMERICAL * np.arange(1, len(alive) + 1))
        kurtosis = np.where(np.isfinite(kurtosis) & (alive > 1), kurtosis, 3.5)
        skewness = np.where(np.isfinite(skewness) & ~few, skewness, 0.0)
        # log std is what is nearly normal; its variance is (kurtosis - 1) / 4 n
        spread_error = found.log_std * np.sqrt((kurtosis - 1.0) / (4.0 * alive))
        t = hypotheses.skewness_corrected((found.log_mean - of.log_mean) / error, skewness, alive)
        p_mean = hypotheses.two_sided(t)
        relative_error = np.hypot(spread_error / found.log_std, NUMERICAL / found.log_std)
        p_std = hypotheses.two_sided(np.log(found.log_std / of.log_std) / relative_error)
    for k in np.flatnonzero(~np.isnan(of.log_mean)):
        why = "" if alive[k] > 1 else "fewer than two live networks"
        if few[k] and not np.isfinite(of.log_std[k]):
            why = why or f"fewer than {SPREAD_NEEDS} networks, and theory has no spread"
        if not np.isfinite(error[k]):
            why = why or "beyond the range of float64"
        place = (name, k, quantity, "log_mean", of.tier[k])
        yield row(place, (found.log_mean[k], error[k], of.log_mean[k], 0.0, alive[k]), np.nan, p_mean[k], why)
        if np.isfinite(of.log_std[k]) and of.log_std[k] > 0:
            needed = SPREAD_NEEDS + WIDE_SPREAD_NEEDS * of.log_std[k] ** 2
            unfit = why or (f"a spread needs at least {needed:.0f} networks here" if alive[k] < needed else "")
            place = (name, k, quantity, "log_std", of.tier[k])
            numbers = (found.log_std[k], spread_error[k], of.log_std[k], 0.0, alive[k])
            yield row(place, numbers, np.nan, p_std[k], unfit)


def _whole_laws(name: str, dataset: xarray.Dataset, prediction: Prediction) -> Iterable[Row]:
    present = [quantity for quantity in second_moment_law.QUANTITIES if quantity in dataset]
    if not present:
        return
    depth = prediction.stack.depth
    layers = sorted({int(x) for x in np.linspace(1, depth, min(depth, LAWS)).round()})
    for quantity, of in second_moment_law.laws(prediction.stack, layers).items():
        if quantity not in present or quantity not in prediction.of:
            continue  # this method does not give it, or the tier asked for does not
        for layer, law in of.items():
            alive = kept_rows.natural_logarithms(dataset, quantity, slice(layer - 1, layer))[:, 0]
            alive = alive[~np.isnan(alive)]
            if len(alive) < 20:
                continue
            distance, p = hypotheses.kolmogorov_smirnov(law.cdf(alive))
            tier = "exact" if prediction.of[quantity].tier[layer - 1] == "exact" else "exact-law"
            place = (name, layer - 1, quantity, "law", tier)
            error = 0.26 / math.sqrt(len(alive))  # standard deviation of the distance under the law
            found = row(place, (distance, error, 0.0, 0.0, len(alive)), np.nan, p, "")
            yield replace(found, z=None, relative_difference=None)
            if law.has_tails:
                yield from extremes.under_law(Recorded(name, dataset, prediction), layer - 1, quantity, law, alive)
