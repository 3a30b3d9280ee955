"""One line of a verdict: a statistic that theory predicts beside what was measured, with its probability."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mcflow import quantities
from mcflow.files import kept_rows
from mcflow.statistics import magnitudes

if TYPE_CHECKING:
    import xarray

Floats = NDArray[np.float64]

ROUND_OFF = 1e-12  # relative: a smaller difference is none
NUMERICAL = 3e-6  # float32 arithmetic, relative: it does not average out over networks
FEW = 0.25  # skewness / sqrt(networks) from which on a mean is ruled by a few networks
RARE = 30.0  # units expected on the rarer side of a share, below which it is not judged
RULED = "the mean is ruled by a few networks"
COUNTED = "count"
NO_P = "no p value"


@dataclass(frozen=True)
class Row:
    """One statistic of one quantity in one layer of one case, measured and predicted.

    ``statistic`` is ``mean`` (over networks), ``log_mean`` and ``log_std`` (of the natural logarithm, where positive),
    ``zero_fraction`` (dead networks), ``law`` (the distance of Kolmogorov and Smirnov) or ``count`` (of the networks
    that have a number, where not all have). ``z`` is the difference in
    standard errors, ``p`` its two-sided probability (beyond ``allowance``, by which an approximate ``tier`` may err),
    ``p_adjusted`` that after Holm; None where ``judged`` is false, for the reason in ``why``. ``equal`` tells whether
    equality within the margin was shown, ``networks_needed`` about how many networks would. ``measured``,
    ``standard_error``, ``predicted`` and ``allowance`` are multiples of 2**exponent, 0 in the middle of float64.
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
    exponent: int = 0

    def __repr__(self) -> str:
        measured, predicted = (magnitudes.text(x, self.exponent, 5) for x in (self.measured, self.predicted))
        found = f"p = {self.p_adjusted:.2g}" if self.p_adjusted is not None else self.why or "not judged"
        return (
            f"<mcflow test {self.case}, layer {self.layer}, {self.quantity} ({self.statistic}): measured {measured}, "
            f"predicted {predicted} ({self.tier}), {found}{', REJECTED' if self.rejected else ''}>"
        )

    def record(self) -> dict[str, Any]:
        """The same as plain data; what is not a finite number is None, with NAME_log10 for what has left float64."""
        out = asdict(self)
        exponent = out.pop("exponent")
        for key in ("measured", "standard_error", "predicted", "allowance") if exponent else ():
            logarithm = magnitudes.log10(out[key], exponent)
            out[key] = magnitudes.plain(out[key], exponent)
            out[f"{key}_log10"] = logarithm
        return {
            key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in out.items()
        }


class Found:
    """The (layer,) statistics of one quantity, as they stand in the file's summary, as multiples of 2**exponent."""

    def __init__(self, dataset: xarray.Dataset, quantity: str, exponent: NDArray[np.int64]) -> None:
        self.dataset, self.quantity, self.exponent = dataset, quantity, exponent
        self.count = self["count"].astype(np.float64)
        self.mean, self.std, self.error = (
            magnitudes.carried(self[name], magnitudes.partner(dataset, f"{quantity}_{name}"), exponent)
            for name in ("mean", "std", "standard_error")
        )
        self.log_mean, self.log_std = self["log_mean"], self["log_std"]
        self.zero = self["zero_fraction"]
        self.is_positive = quantities.get(quantity).kind == "moment"

    def __getitem__(self, statistic: str) -> Floats:
        return np.asarray(self.dataset.variables[f"{self.quantity}_{statistic}"].values, dtype=np.float64)

    @property
    def has_rows(self) -> bool:
        """Whether every network's row was kept."""
        return self.quantity in self.dataset

    def shape_of_logarithms(self) -> tuple[Floats, Floats]:
        """(layer,) skewness and kurtosis over networks of the natural logarithm; NaN where rows were not kept."""
        out = np.full((2, len(self.mean)), np.nan)
        for layers in kept_rows.blocks_of_layers(self.dataset, self.quantity) if self.has_rows else ():
            logs = kept_rows.natural_logarithms(self.dataset, self.quantity, layers)
            with np.errstate(invalid="ignore", divide="ignore"):
                scaled = (logs - self.log_mean[layers]) / self.log_std[layers]
                known = np.maximum(np.count_nonzero(~np.isnan(scaled), axis=0), 1)
                out[:, layers] = [np.nansum(scaled**power, axis=0) / known for power in (3, 4)]
        return out[0], out[1]

    def sample_skewness(self) -> Floats:
        """(layer,) skewness of the rows over networks; 0 where rows were not kept."""
        out = np.zeros(len(self.mean))
        for layers in kept_rows.blocks_of_layers(self.dataset, self.quantity) if self.has_rows else ():
            logs = kept_rows.logarithms_beside(self.dataset, self.quantity, layers)
            plain = kept_rows.values(self.dataset, self.quantity, layers)
            values = magnitudes.carried(plain, logs, self.exponent[layers])
            with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
                cubes = ((values - self.mean[layers]) / self.std[layers]) ** 3
                mean = np.where(np.isnan(values), 0.0, cubes).sum(axis=0) / self.count[layers]
            out[layers] = np.where(self.std[layers] > 0, mean, 0.0)
        return out


def row(
    place: tuple[str, Any, str, str, str],
    numbers: tuple[Any, Any, Any, Any, Any],
    effective: float,
    p: float,
    why: str,
    exponent: int = 0,
) -> Row:
    """The row of (case, layer from 0, quantity, statistic, tier) and its numbers; judged where ``why`` is empty.

    ``numbers``: measured, standard error, predicted, allowance, networks; all but the last multiples of 2**exponent.
    """
    case, k, quantity, statistic, tier = place
    measured, error, predicted, allowance, networks = (float(x) for x in numbers)
    difference = measured - predicted
    if abs(difference) <= ROUND_OFF * abs(predicted):
        difference = 0.0
    z = difference / error if error > 0 and math.isfinite(error) and math.isfinite(difference) else None
    if statistic.startswith("log_mean"):
        relative = math.expm1(min(difference, 700.0)) if math.isfinite(difference) else None
    else:
        relative = difference / abs(predicted) if predicted not in (0.0, math.inf) else None
    judged = not why and math.isfinite(p)
    return Row(
        case, int(k) + 1, quantity, statistic, measured, error, predicted, tier, z, relative, allowance, int(networks),
        float(effective) if math.isfinite(effective) else None, float(p) if judged else None, judged=judged,
        why=why if why or judged else NO_P, exponent=exponent,
    )  # fmt: skip
