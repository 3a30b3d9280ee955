"""One case as it was recorded: its columns of rows, the layers that are looked at, and rows of verdicts from them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mcflow.answers.allowances import Prediction
from mcflow.answers.verdict_rows import FEW, RULED, Row, row
from mcflow.files.kept_rows import Columns
from mcflow.statistics import hypotheses
from mcflow.theory.finite_width.dead_networks import where_zero
from mcflow.theory.stack import Stack

if TYPE_CHECKING:
    import xarray

Floats = NDArray[np.float64]

LAYERS = 8  # looked at: neighbours say the same
FEWEST = 50  # networks, before a sample's own skewness and kurtosis say enough
SMALLEST, LARGEST = 1e-290, 1e290  # between them float64 has all its digits
RELATIVE = ("std", "mean_given_below", "mean_given_size", "histogram_second_moment")  # told in per cent of the value


@dataclass(frozen=True)
class Recorded:
    """A case's dataset beside its prediction; layers are counted from 0."""

    name: str
    dataset: xarray.Dataset
    prediction: Prediction

    @cached_property
    def can_die(self) -> bool:
        """Whether all units of one input may be exactly 0, whatever the weights: then h has atoms."""
        return not where_zero(self.stack.activation, self.stack.activation.scalar)[0].none

    @property
    def has_atoms(self) -> bool:
        """Whether sums of weights may be exactly 0: those of signs, without biases."""
        return not self.stack.distribution.is_continuous and not self.stack.has_bias

    @cached_property
    def columns(self) -> Columns:
        """The rows that were kept."""
        return Columns(self.dataset)

    @property
    def stack(self) -> Stack:
        return self.prediction.stack

    @property
    def inputs(self) -> int:
        return len(self.stack.input_moment)

    @property
    def layers(self) -> list[int]:
        """At most LAYERS of them, the first and the last among them, but for those near the ends of float64."""
        depth = self.stack.depth
        chosen = sorted({int(x) for x in np.linspace(0, depth - 1, min(depth, LAYERS)).round()})
        return [layer for layer in chosen if self.is_plain(layer)]

    def is_plain(self, layer: int) -> bool:
        """Whether all that is recorded of a layer, and of what it is made of, lies in the middle of float64."""
        made_of = [layer, max(layer - 1, 0)]
        return not any(of.exponent[made_of].any() for of in self.prediction.of.values())

    @property
    def has_normal_biases(self) -> bool:
        """Whether there are none, or normal ones."""
        return not (self.stack.has_bias and self.stack.uniform_bias)

    def units(self, layer: int) -> float:
        """Numbers h of one network in a layer, over all inputs."""
        return float(self.stack.width[layer]) * self.inputs

    def has(self, *quantities: str) -> bool:
        """Whether the rows of all these quantities were kept."""
        return all(quantity in self.dataset for quantity in quantities)

    def column(self, quantity: str, layer: int) -> Floats:
        """(network,) values in one layer."""
        return self.columns.column(quantity, layer)

    def below(self, layer: int) -> Floats:
        """(network,) mean of x^2 over units and inputs of the layer below ``layer``."""
        if layer == 0:
            return np.full(self.dataset.sizes["network"], float(self.stack.input_moment.mean()))
        return self.column("activation_second_moment", layer - 1)

    def variance(self, layer: int) -> Floats:
        """(network,) variance of one preactivation given the layer below, a mean over inputs; NaN beyond float64."""
        with np.errstate(over="ignore", under="ignore"):
            found = self.stack.forward[layer] * self.below(layer) + self.stack.bias_variance[layer]
        return np.where((found > SMALLEST) & (found < LARGEST), found, np.nan)

    def verdict(
        self,
        layer: int,
        quantity: str,
        statistic: str,
        numbers: tuple[float, float, float, float, float],
        p: float,
        why: str = "",
        tier: str = "exact",
    ) -> Row:
        """The row of one test; ``numbers``: measured, standard error, predicted, allowance, networks."""
        found = row((self.name, layer, quantity, statistic, tier), numbers, math.nan, p, why)
        return found if statistic in RELATIVE else replace(found, relative_difference=None)


def average_row(
    recorded: Recorded, layer: int, quantity: str, statistic: str, values: Floats, predicted: float, error: float = 0.0
) -> Row | None:
    """The mean of independent ``values`` against what it must be, to ``error``; None of fewer than FEWEST."""
    values = values[np.isfinite(values)]
    count = len(values)
    if count < FEWEST:
        return None
    mean, spread = float(values.mean()), float(values.std(ddof=1))
    whole = math.hypot(spread / math.sqrt(count), error)
    if whole == 0.0:
        return recorded.verdict(
            layer, quantity, statistic, (mean, 0.0, predicted, 0.0, count), float(mean == predicted)
        )
    skewness = float(np.mean(((values - mean) / spread) ** 3)) if spread > 0 else 0.0
    z = hypotheses.skewness_corrected(np.array((mean - predicted) / whole), np.array(skewness), np.array(float(count)))
    p = float(hypotheses.two_sided(z, np.array(count - 1.0)))
    why = RULED if abs(skewness) > FEW * math.sqrt(count) else ""
    return recorded.verdict(layer, quantity, statistic, (mean, whole, predicted, 0.0, count), p, why)


def extreme_rows(
    recorded: Recorded, layer: int, quantity: str, values: Floats, tails: tuple[float, float], tier: str, of: str = ""
) -> list[Row]:
    """The smallest and the largest of independent values, whose probabilities to lie beyond are ``tails``.

    P(min < m) = 1 - (1 - P(x < m))^N, and alike for the largest: two one-sided tests.
    """
    count, out = len(values), []
    for statistic, measured, tail in (("smallest", values.min(), tails[0]), ("largest", values.max(), tails[1])):
        p = -math.expm1(count * math.log1p(-tail)) if tail < 1.0 else 1.0
        numbers = (float(measured), math.nan, math.nan, 0.0, count)
        out.append(recorded.verdict(layer, quantity, statistic + of, numbers, p, tier=tier))
    return out
