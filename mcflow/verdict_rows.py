"""One line of a verdict: a statistic that theory predicts beside what was measured, with its probability."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mcflow import hypotheses

if TYPE_CHECKING:
    import xarray

Floats = NDArray[np.float64]


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


class Found:
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


def row(
    place: tuple[str, Any, str, str, str],
    numbers: tuple[Any, Any, Any, Any, Any],
    effective: float,
    p: float,
    why: str,
) -> Row:
    """The row of (case, layer from 0, quantity, statistic, tier) and its numbers; judged where ``why`` is empty.

    ``numbers``: measured, standard error, predicted, allowance, networks.
    """
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
