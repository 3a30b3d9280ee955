"""Networks are independent draws of one law: no two are alike, none knows its index or the one before."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from mcflow import quantities
from mcflow.answers.checks.recorded import FEWEST, Floats, Recorded
from mcflow.answers.verdict_rows import Row
from mcflow.statistics import hypotheses

RESOLUTION = 2.0**-23  # of the values at worst, relative: two may agree by chance


def rows(recorded: Recorded) -> Iterable[Row]:
    """Equal values, trend and serial correlation of ranks, in the first and the last layer."""
    if recorded.has_atoms:
        return  # few sums of signs: networks may be alike
    for entry in filter(lambda entry: entry.told_apart and recorded.has(entry.name), quantities.ALL):
        quantity = entry.name
        for layer in filter(recorded.is_plain, sorted({0, recorded.stack.depth - 1})):
            values = recorded.column(quantity, layer)
            values = values[np.isfinite(values) & (values > 0)]
            with np.errstate(divide="ignore"):
                spread = float(np.log(values).std()) if len(values) else 0.0
            if len(values) < FEWEST or spread < 1e3 * RESOLUTION:
                continue  # orthogonal weights keep a norm: what spreads is round-off
            if entry.told_apart == "value":  # where all units are saturated x^2 is one number
                yield _alike(recorded, quantity, layer, values, spread)
            yield from _orders(recorded, quantity, layer, values)
    yield from _all_layers(recorded)


def _all_layers(recorded: Recorded) -> Iterable[Row]:
    """The orders of the product over layers of mean h^2 / G, to which every layer adds and which nothing saturates."""
    square = "preactivation_second_moment"
    if not recorded.has(square, "activation_second_moment"):
        return
    total = np.zeros(recorded.dataset.sizes["network"])
    for layer in recorded.layers:
        with np.errstate(divide="ignore", invalid="ignore"):
            total += np.log(recorded.column(square, layer) / recorded.variance(layer))
    values = np.exp(total[np.isfinite(total)])
    if len(values) >= FEWEST and values.std() > 1e3 * RESOLUTION:
        yield from _orders(recorded, square, recorded.stack.depth - 1, values, "_given_below")


def _alike(recorded: Recorded, quantity: str, layer: int, values: Floats, spread: float) -> Row:
    """The number of networks that repeat the value of another, against what the resolution of the values allows."""
    from scipy.special import pdtrc

    count = len(values)
    repeats = count - len(np.unique(values))
    expected = 0.5 * count * count * RESOLUTION / spread
    p = float(pdtrc(repeats - 1, expected)) if repeats else 1.0
    numbers = (repeats / count, math.sqrt(expected) / count, 0.0, 0.0, count)
    return recorded.verdict(layer, quantity, "repeated_values", numbers, p)


def _orders(recorded: Recorded, quantity: str, layer: int, values: Floats, given: str = "") -> Iterable[Row]:
    """Rank correlations with the index and with the network before: nearly normal for any law of the values."""
    ranks = _ranks(values) - 0.5 * (len(values) + 1)
    index = np.arange(len(values)) - 0.5 * (len(values) - 1)
    pairs = {"trend_over_networks": (ranks, index), "serial_correlation": (ranks[1:], ranks[:-1])}
    for statistic, (left, right) in pairs.items():
        correlation = float(left @ right / math.sqrt(float(left @ left) * float(right @ right)))
        error = 1.0 / math.sqrt(len(left) - 1.0)
        expected = 0.0 if statistic.startswith("trend") else -1.0 / len(values)
        p = float(hypotheses.two_sided(np.array((correlation - expected) / error)))
        numbers = (correlation, error, expected, 0.0, len(values))
        yield recorded.verdict(layer, quantity, statistic + given, numbers, p)


def _ranks(values: Floats) -> Floats:
    """(count,) ranks from 1; equal values share the mean of theirs."""
    order = np.argsort(values, kind="stable")
    of_order = values[order]
    starts = np.flatnonzero(np.concatenate([[True], of_order[1:] != of_order[:-1]]))  # of runs of equal values
    ends = np.append(starts[1:], len(values))
    out = np.empty(len(values))
    out[order] = np.repeat(0.5 * (starts + ends + 1), ends - starts)
    return out
