"""What holds in every single network, to round-off: equations and inequalities between its recorded averages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from mcflow.answers.checks.recorded import LARGEST, SMALLEST, Floats, Recorded
from mcflow.answers.verdict_rows import Row
from mcflow.quantities import NAMES

TOLERANCE = 1e-5  # relative: rows come from float32 numbers and float64 sums
EQUAL, BELOW = "equals", "at_most"
H, H2, H4 = "preactivation_mean", "preactivation_second_moment", "preactivation_fourth_moment"
X, X2 = "activation_mean", "activation_second_moment"
SIZE, RATIO = "activation_absolute_mean", "participation_ratio"
ON, FLAT = "active_fraction", "saturated_fraction"
D2, W2 = "gradient_second_moment", "weight_gradient_second_moment"
SUMMARY_TOLERANCE = 1e-6


def rows(recorded: Recorded) -> Iterable[Row]:
    """One row for each relation, of the layer where it is worst: its excess, relative; 0 is predicted."""
    if "network" not in recorded.dataset.sizes:
        return
    worst: dict[tuple[str, str], tuple[float, int, int]] = {}
    for layer in filter(recorded.is_plain, range(recorded.stack.depth)):
        for quantity, relation, excess in _excesses(recorded, layer):
            known = excess[np.isfinite(excess)]
            if len(known):
                found = float(known.max()), layer, len(known)
                worst[quantity, relation] = max(worst.get((quantity, relation), (-1.0, 0, 0)), found)
    for (quantity, relation), (largest, layer, count) in worst.items():
        numbers = (largest, TOLERANCE, 0.0, 0.0, count)
        yield recorded.verdict(layer, quantity, relation, numbers, float(largest <= TOLERANCE))
    yield from _summaries(recorded)


def _excesses(recorded: Recorded, layer: int) -> Iterator[tuple[str, str, Floats]]:
    """(network,) by how much each relation is broken, relative to its right side."""
    stack = recorded.stack
    known = (H, H2, H4, X, X2, SIZE, RATIO, ON, FLAT, D2, W2)
    columns = {quantity: recorded.column(quantity, layer) for quantity in known if recorded.has(quantity)}
    units = recorded.units(layer)

    def excess(quantity: str, relation: str, left: Floats, right: Floats) -> tuple[str, str, Floats]:
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            usable = (right > SMALLEST) & (right < LARGEST) & np.isfinite(left)
            ratio = np.where(usable, left / np.where(usable, right, 1.0) - 1.0, np.nan)
        return quantity, relation, np.abs(ratio) if relation.startswith(EQUAL) else np.maximum(ratio, 0.0)

    with np.errstate(over="ignore", invalid="ignore"):
        if {H2, H4} <= columns.keys():
            yield excess(H4, f"{BELOW}_units_times_square", columns[H4], units * columns[H2] ** 2)
            yield excess(H2, f"{BELOW}_root_of_fourth_moment", columns[H2], np.sqrt(columns[H4]))
        if {H, H2} <= columns.keys():
            yield excess(H, f"{BELOW}_root_mean_square", np.abs(columns[H]), np.sqrt(columns[H2]))
        if {X, X2} <= columns.keys():
            yield excess(X, f"{BELOW}_root_mean_square", np.abs(columns[X]), np.sqrt(columns[X2]))
        if {X, X2, SIZE} <= columns.keys():
            yield excess(X, f"{BELOW}_absolute_mean", np.abs(columns[X]), columns[SIZE])
            yield excess(SIZE, f"{BELOW}_root_mean_square", columns[SIZE], np.sqrt(columns[X2]))
        if RATIO in columns:
            ones = np.ones(len(columns[RATIO]))
            yield excess(RATIO, f"{BELOW}_one", columns[RATIO], ones)
            yield excess(RATIO, f"{BELOW}_units_times_itself", ones, units * columns[RATIO])
        if ON in columns and not stack.activation.flat:
            yield excess(ON, f"{EQUAL}_all_units", columns[ON], np.ones(len(columns[ON])))
        slope = stack.activation.negative_slope
        if slope is not None and {H2, X2} <= columns.keys():
            yield excess(X2, f"{BELOW}_preactivation", columns[X2], max(1.0, slope * slope) * columns[H2])
            if slope != 0.0:
                least = min(1.0, slope * slope) * columns[H2]
                yield excess(H2, f"{BELOW}_activation_over_slope", least, columns[X2])
        if slope == 0.0 and {ON, FLAT} <= columns.keys():
            yield excess(FLAT, f"{EQUAL}_what_is_not_active", 1.0 + columns[FLAT], 2.0 - columns[ON])
        if slope == 0.0 and {X, SIZE} <= columns.keys():
            yield excess(SIZE, f"{EQUAL}_mean", columns[SIZE], columns[X])
        if {X, X2, ON} <= columns.keys() and slope == 0.0:
            yield excess(X, f"{BELOW}_root_of_active_share", columns[X], np.sqrt(columns[X2] * columns[ON]))
        if recorded.inputs == 1 and {D2, W2} <= columns.keys() and (layer == 0 or recorded.has(X2)):
            yield excess(W2, f"{EQUAL}_product", columns[W2], columns[D2] * recorded.below(layer))
        elif {D2, W2} <= columns.keys() and (layer == 0 or recorded.has(X2)):
            most = recorded.inputs * columns[D2] * recorded.below(layer)
            yield excess(W2, f"{BELOW}_product_times_inputs", columns[W2], most)


def _summaries(recorded: Recorded) -> Iterable[Row]:
    """The summary's mean against that of the rows it was made from."""
    for quantity in NAMES:
        if not recorded.has(quantity):
            continue
        stated_means = np.asarray(recorded.dataset[f"{quantity}_mean"].values, dtype=np.float64)
        for layer in filter(recorded.is_plain, range(recorded.stack.depth)):
            values = recorded.column(quantity, layer)
            values = values[~np.isnan(values)]
            size = float(np.sqrt(np.mean(values**2))) if len(values) else 0.0
            if not SMALLEST < size < LARGEST:
                continue
            stated, mean = float(stated_means[layer]), float(np.mean(values))
            if not abs(stated - mean) <= SUMMARY_TOLERANCE * size:
                numbers = (stated, SUMMARY_TOLERANCE * size, mean, SUMMARY_TOLERANCE * size, len(values))
                yield recorded.verdict(layer, quantity, f"{EQUAL}_mean_of_rows", numbers, 0.0)
