"""One case's tests: each statistic that theory predicts beside what was measured, with its probability."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mcflow import hypotheses, laws
from mcflow.expected import Expected, Prediction

if TYPE_CHECKING:
    import xarray

Floats = NDArray[np.float64]

NUMERICAL = 3e-6  # float32 arithmetic, relative: it does not average out over networks
FEW = 0.25  # skewness / sqrt(networks) from which on a mean is ruled by a few networks
LEAST = 1e-290  # below it float64 itself loses digits
LAWS = 8  # layers at which whole laws are compared: neighbours say the same
SPREAD_NEEDS = 50  # networks, before the spread of a sample says enough
# ... and as many more, times its square: the wider the logarithm, the longer its lower tail of nearly dead networks,
# which a small sample has not seen (25 seeds of ReLU at width 8: 4 false alarms at 200 networks without this).
WIDE_SPREAD_NEEDS = 1000
RARE = 30.0  # units expected on the rarer side of a share, below which it is not judged
RULED = "the mean is ruled by a few networks"


@dataclass(frozen=True)
class Row:
    """One statistic of one quantity in one layer of one case, measured and predicted.

    ``statistic`` is ``mean`` (over networks), ``log_mean`` and ``log_std`` (of the natural logarithm, where positive),
    ``zero_fraction`` (dead networks) or ``law`` (the distance of Kolmogorov and Smirnov). ``z`` is the difference in
    standard errors, ``p`` its two-sided probability (beyond ``allowance``, by which an approximate ``tier`` may err),
    ``p_adjusted`` that after Holm; None where ``judged`` is false, for the reason in ``why``. ``equal`` tells whether
    equality within the margin was shown, ``networks_needed`` about how many networks would.
    """

    case: str
    layer: int
    quantity: str
    statistic: str
    measured: float
    standard_error: float
    predicted: float
    tier: str
    z: float | None
    relative_difference: float | None
    allowance: float
    networks: int
    effective_networks: float | None
    p: float | None = None
    p_adjusted: float | None = None
    judged: bool = True
    why: str = ""
    rejected: bool = False
    equal: bool | None = None
    networks_needed: float | None = None

    def record(self) -> dict[str, Any]:
        """The same as plain data; what is not a finite number is None."""
        return {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in asdict(self).items()
        }


def rows_of_case(name: str, dataset: xarray.Dataset, prediction: Prediction, whole_laws: bool) -> Iterable[Row]:
    """A row for each layer, quantity and statistic of a case that theory predicts and the method gives."""
    units = prediction.stack.width * len(prediction.stack.input_moment)
    for quantity, of in prediction.of.items():
        if f"{quantity}_mean" not in dataset:
            continue  # this method does not give it
        found = _Found(dataset, quantity)
        yield from _means(name, quantity, found, of, units)
        if not np.isnan(of.log_mean).all():
            yield from _logarithms(name, quantity, found, of)
        if prediction.dead is not None and quantity == "activation_second_moment":
            yield from _deaths(name, quantity, found, prediction.dead)
    if whole_laws:
        yield from _whole_laws(name, dataset, prediction)


class _Found:
    """The (layer,) statistics of one quantity, as they stand in the file's summary."""

    def __init__(self, dataset: xarray.Dataset, quantity: str) -> None:
        self.dataset, self.quantity = dataset, quantity
        self.rows = dataset.get(quantity)
        self.count = self["count"].astype(np.float64)
        self.mean, self.std, self.error = self["mean"], self["std"], self["standard_error"]
        self.log_mean, self.log_std = self["log_mean"], self["log_std"]
        self.zero = self["zero_fraction"]
        self.is_positive = quantity.endswith("moment")

    def __getitem__(self, statistic: str) -> Floats:
        return np.asarray(self.dataset[f"{self.quantity}_{statistic}"].values, dtype=np.float64)

    def logarithms(self) -> Floats | None:
        """(network, layer) natural logarithms, NaN where not positive; None where rows were not kept."""
        if self.rows is None:
            return None
        values = np.asarray(self.rows.values)
        return np.log(np.where(values > 0, values, np.nan))

    def skewness(self) -> Floats:
        """(layer,) skewness over networks: of a positive quantity that of a log-normal one with its logarithm's spread.

        The sample's own skewness is far too small where the tail is heavy.
        """
        if self.is_positive:
            return np.where(np.isfinite(self.log_std), hypotheses.lognormal_skewness(self.log_std), 0.0)
        if self.rows is None:
            return np.zeros(len(self.mean))
        with np.errstate(invalid="ignore", divide="ignore"):
            scaled = (np.asarray(self.rows.values) - self.mean) / self.std
            return np.where(self.std > 0, np.mean(scaled**3, axis=0), 0.0)


def _means(name: str, quantity: str, found: _Found, of: Expected, units: Floats) -> Iterable[Row]:
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
        yield _row(
            (name, k, quantity, "mean", of.tier[k]),
            (found.mean[k], error[k], of.mean[k], of.allowance[k], found.count[k]),
            effective[k] if found.is_positive else np.nan,
            certain,
            why,
        )


def _logarithms(name: str, quantity: str, found: _Found, of: Expected) -> Iterable[Row]:
    """Mean and spread of the logarithm: they judge what a mean with a heavy tail cannot."""
    alive = np.rint(found.count * (1.0 - found.zero))
    logs = found.logarithms()
    with np.errstate(invalid="ignore", divide="ignore"):
        few = alive < SPREAD_NEEDS
        # of few networks the sample's own spread is too rough: theory's stands in, or the mean is not judged
        spread = np.where(few, of.log_std, found.log_std)
        error = np.hypot(spread / np.sqrt(alive), NUMERICAL * np.arange(1, len(alive) + 1))
        kurtosis, skewness = np.full((2, len(alive)), np.nan)
        if logs is not None:
            scaled = (logs - found.log_mean) / found.log_std
            skewness, kurtosis = (np.nanmean(scaled**m, axis=0) if alive.min() > 1 else kurtosis for m in (3, 4))
        kurtosis = np.where(np.isfinite(kurtosis), kurtosis, 3.5)
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
        if not np.isfinite(error[k]) or abs(of.log_mean[k]) > 650:
            why = why or "beyond the range of float64"
        place = (name, k, quantity, "log_mean", of.tier[k])
        yield _row(place, (found.log_mean[k], error[k], of.log_mean[k], 0.0, alive[k]), np.nan, p_mean[k], why)
        if np.isfinite(of.log_std[k]) and of.log_std[k] > 0:
            needed = SPREAD_NEEDS + WIDE_SPREAD_NEEDS * of.log_std[k] ** 2
            unfit = why or (f"a spread needs at least {needed:.0f} networks here" if alive[k] < needed else "")
            place = (name, k, quantity, "log_std", of.tier[k])
            numbers = (found.log_std[k], spread_error[k], of.log_std[k], 0.0, alive[k])
            yield _row(place, numbers, np.nan, p_std[k], unfit)


def _deaths(name: str, quantity: str, found: _Found, dead: Floats) -> Iterable[Row]:
    p = hypotheses.binomial(found.zero * found.count, found.count, np.clip(dead, 0.0, 1.0))
    error = np.sqrt(dead * (1.0 - dead) / found.count)
    for k in range(len(dead)):
        if dead[k] * found.count[k] < 1e-6 and found.zero[k] == 0:
            continue  # nobody dies, and nobody did
        place = (name, k, quantity, "zero_fraction", "exact")
        yield _row(place, (found.zero[k], error[k], dead[k], 0.0, found.count[k]), np.nan, p[k], "")


def _whole_laws(name: str, dataset: xarray.Dataset, prediction: Prediction) -> Iterable[Row]:
    present = [quantity for quantity in laws.QUANTITIES if quantity in dataset]
    if not present:
        return
    depth = prediction.stack.depth
    layers = sorted({int(x) for x in np.linspace(1, depth, min(depth, LAWS)).round()})
    for quantity, of in laws.laws(prediction.stack, layers).items():
        if quantity not in present or quantity not in prediction.of:
            continue  # this method does not give it, or the tier asked for does not
        values = np.asarray(dataset[quantity].values)
        for layer, law in of.items():
            alive = values[:, layer - 1]
            alive = alive[(alive > 0) & ~np.isnan(alive)]
            if len(alive) < 20:
                continue
            distance, p = hypotheses.kolmogorov_smirnov(law.cdf(alive))
            tier = "exact" if prediction.of[quantity].tier[layer - 1] == "exact" else "exact-law"
            place = (name, layer - 1, quantity, "law", tier)
            error = 0.26 / math.sqrt(len(alive))  # standard deviation of the distance under the law
            row = _row(place, (distance, error, 0.0, 0.0, len(alive)), np.nan, p, "")
            yield replace(row, z=None, relative_difference=None)


def _row(
    place: tuple[str, Any, str, str, str],
    numbers: tuple[Any, Any, Any, Any, Any],
    effective: float,
    p: float,
    why: str,
) -> Row:
    case, k, quantity, statistic, tier = place
    measured, error, predicted, allowance, networks = (float(x) for x in numbers)
    difference = measured - predicted
    z = difference / error if error > 0 and math.isfinite(error) and math.isfinite(difference) else None
    if statistic.startswith("log_mean"):
        relative = math.expm1(min(difference, 700.0)) if math.isfinite(difference) else None
    else:
        relative = difference / abs(predicted) if predicted not in (0.0, math.inf) else None
    judged = not why and math.isfinite(p)
    return Row(
        case, int(k) + 1, quantity, statistic, measured, error, predicted, tier, z, relative, allowance, int(networks),
        float(effective) if math.isfinite(effective) else None, float(p) if judged else None, judged=judged,
        why=why if why or judged else "no p value",
    )  # fmt: skip
