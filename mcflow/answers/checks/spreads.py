"""How far networks lie apart, against the standard deviation that theory predicts."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from mcflow import quantities
from mcflow.answers.checks.recorded import Floats, Recorded
from mcflow.answers.spreads import spreads
from mcflow.answers.verdict_rows import NUMERICAL, Row
from mcflow.statistics import hypotheses
from mcflow.theory.finite_width.output_gradient import variance_bounds
from mcflow.theory.infinite_width import trajectory

NEEDS = 100  # networks, before the spread of a sample says enough
HEAVIEST = 0.05  # (kurtosis - 1) / networks from which on a few networks rule the spread
LEAST = 1e-3  # of the spread of a mean of independent numbers: a smaller one is of numbers that cancel
HOPELESS = 3.0  # of a logarithm: a few networks in a million rule such a spread
RARE = 2.0  # units of a network expected on the rarer side of a share, from which on its spread says something
D2 = "gradient_second_moment"
OUTPUT_ALLOWANCE = 0.1  # relative, of the leading order of the output gradient's spread


def rows(recorded: Recorded) -> Iterable[Row]:
    """The standard deviation of each quantity and layer that theory has one for, in at most a few layers."""
    wide = spreads(recorded.dataset, recorded.prediction)
    for quantity, of in recorded.prediction.of.items():
        entry = quantities.get(quantity)
        if not recorded.has(quantity) or entry.heavy:
            continue  # the mean of h^4 given the size of h says more
        for layer in recorded.layers:  # none of which carries an exponent
            predicted, allowance = float(of.std[layer]), float(of.std_allowance[layer])
            scale = abs(float(of.mean[layer]))
            if not (math.isfinite(predicted) and predicted > 100.0 * NUMERICAL * scale and predicted > 0):
                continue
            if entry.kind == "fraction" and min(scale, 1.0 - scale) * recorded.units(layer) < RARE:
                continue  # most networks have no such unit
            if entry.kind == "mean" and predicted < LEAST * _smallest_spread(recorded, quantity, layer):
                continue  # inputs that cancel each other leave nothing but round-off
            tier = of.tier[layer] if allowance == 0 else "first-order"
            low, high = predicted - allowance, predicted + allowance
            heavy = wide[quantity if quantity in wide else entry.size][layer]
            yield from _row(recorded, layer, quantity, (low, predicted, high), tier, float(heavy))
    last = recorded.stack.depth - 1
    if recorded.inputs > 1 and recorded.is_plain(last) and D2 in recorded.prediction.of and recorded.has(D2):
        found = variance_bounds(recorded.stack, trajectory.trajectory(recorded.stack))
        if found is not None:
            low, high = (math.sqrt(max(value, 0.0)) for value in found)
            low, high = low * (1.0 - OUTPUT_ALLOWANCE), high * (1.0 + OUTPUT_ALLOWANCE)
            yield from _row(recorded, last, D2, (low, 0.5 * (low + high), high), "first-order", float(wide[D2][last]))


def _row(
    recorded: Recorded, layer: int, quantity: str, predicted: tuple[float, float, float], tier: str, heavy: float
) -> Iterable[Row]:
    """log std is what is nearly normal; its variance is (kurtosis - 1) / 4 N.

    ``heavy`` is the spread of the logarithm of the moment that says how few networks may rule the quantity.
    """
    values = recorded.column(quantity, layer)
    values = values[np.isfinite(values)]
    count = len(values)
    if count < NEEDS:
        return
    low, middle, high = predicted
    spread = float(values.std(ddof=1))
    kurtosis = _kurtosis(values, spread, heavy, quantity)
    if not math.isfinite(kurtosis):
        return
    error = math.sqrt((kurtosis - 1.0) / (4.0 * count))
    beyond = 0.0
    if not low <= spread <= high:
        nearest = low if spread < low else high
        beyond = math.log(max(spread, 1e-300) / max(nearest, 1e-300)) / error
    p = float(hypotheses.two_sided(np.array(beyond))) if beyond else 1.0
    why = "the spread is ruled by a few networks" if (kurtosis - 1.0) / count > HEAVIEST else ""
    numbers = (spread, error * middle, middle, max(high - middle, 0.0), float(count))
    yield recorded.verdict(layer, quantity, "std", numbers, p, why, tier)


def _smallest_spread(recorded: Recorded, quantity: str, layer: int) -> float:
    """Of the mean of as many independent numbers as a network has in a layer."""
    square = recorded.prediction.of.get(quantities.get(quantity).scale)
    return 0.0 if square is None else math.sqrt(max(float(square.mean[layer]), 0.0) / recorded.units(layer))


def _kurtosis(values: Floats, spread: float, heavy: float, quantity: str) -> float:
    """Of the sample, and at least that of a log-normal law, or of a normal one whose variance is log-normal.

    Networks so rare that none was drawn are in that, and not in the sample.
    """
    found = float(np.mean(((values - values.mean()) / spread) ** 4)) if spread > 0 else 3.0
    if heavy > HOPELESS:
        return math.inf
    w = math.exp(heavy**2)
    implied = w**4 + 2.0 * w**3 + 3.0 * w**2 - 3.0 if quantities.get(quantity).kind == "moment" else 3.0 * w
    return max(found, implied, 1.8)
