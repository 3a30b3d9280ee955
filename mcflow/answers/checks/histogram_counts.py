"""The counts of h and d, bin by bin, against the rows of the networks that were counted."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from mcflow import quantities
from mcflow.answers.checks.recorded import Floats, Recorded
from mcflow.answers.verdict_rows import Row
from mcflow.statistics import hypotheses

MERGED = 25.0  # numbers expected in a bin, under which it is joined to its neighbour
ON_EDGES = 1e-5  # share of numbers that float32 may put into the neighbouring bin
ENOUGH = 8  # terms of a sum of weights, from which on its density is smooth
CHUNK = 512  # networks whose expected counts are reckoned at a time


def rows(recorded: Recorded) -> Iterable[Row]:
    """Totals, second moments, means, shares above 0, and the bins of h given the layer below."""
    counted_networks = int(recorded.dataset.attrs.get("histogram_networks", 0))
    networks = int(np.count_nonzero(np.asarray(recorded.dataset.get("network", ())) < counted_networks))
    if networks < 1:
        return
    for entry in filter(lambda entry: entry.histogram, quantities.ALL):
        kind, quantity = entry.histogram, entry.name
        if f"{kind}_histogram" not in recorded.dataset or not recorded.has(quantity):
            continue
        counts = np.asarray(recorded.dataset[f"{kind}_histogram"].values, dtype=np.float64)
        edges = np.asarray(recorded.dataset[f"{kind}_edges"].values, dtype=np.float64)
        for layer in recorded.layers:
            width = float(edges[layer, 2] - edges[layer, 1])
            if not (0.0 < width < math.inf):
                continue
            counted = counts[layer], edges[layer], networks
            yield from _total(recorded, layer, quantity, counted)
            if recorded.has_atoms or not _is_resolved(recorded, layer, quantity, counted):
                continue
            # of several inputs one may die alone, and its zeros lie in one bin
            whole = recorded.inputs == 1 or kind == "gradient" or not recorded.can_die
            if _is_smooth(recorded, layer) and whole:
                yield from _second_moment(recorded, layer, quantity, counted)
            if kind == "preactivation":
                if _is_smooth(recorded, layer) and whole:
                    yield from _mean(recorded, layer, counted)
                yield from _active(recorded, layer, counted)
                yield from _bins(recorded, layer, counted)


Counted = tuple[Floats, Floats, int]  # (bin,) counts, (edge,) edges, networks


def _is_resolved(recorded: Recorded, layer: int, quantity: str, counted: Counted) -> bool:
    """Whether in every counted network the numbers are larger than a bin: else their signs and sizes are not seen."""
    _, edges, networks = counted
    values = recorded.column(quantity, layer)[:networks]
    return bool(np.isfinite(values).all() and values.min() > (edges[2] - edges[1]) ** 2)


def _is_smooth(recorded: Recorded, layer: int) -> bool:
    """Whether densities have no jumps: sums of normal weights, or of enough others."""
    stack = recorded.stack
    terms = min(stack.fan_in[layer], stack.width[layer], stack.width[min(layer + 1, stack.depth - 1)])
    return stack.distribution.is_gaussian or bool(terms >= ENOUGH)


def _total(recorded: Recorded, layer: int, quantity: str, counted: Counted) -> Iterable[Row]:
    counts, _, networks = counted
    right = networks * recorded.units(layer)
    if counts.sum() != right:
        yield recorded.verdict(layer, quantity, "histogram_total", (counts.sum(), math.nan, right, 0.0, networks), 0.0)


def _second_moment(recorded: Recorded, layer: int, quantity: str, counted: Counted) -> Iterable[Row]:
    """The mean square from the bins' middles, which for a smooth density are too large by step^2 / 12 (Sheppard 1898).

    An atom at 0, where units are off or a network has vanished, or a kink of the density may move it by as much as
    those bins hold times step^2.
    """
    counts, edges, networks = counted
    values = recorded.column(quantity, layer)[:networks]
    if not np.isfinite(values).all() or counts.sum() == 0:
        return
    step = float(edges[2] - edges[1])
    inner, total = counts[1:-1], float(counts.sum())
    middle = 0.5 * (edges[1:-2] + edges[2:-1])
    beyond = counts[0] + counts[-1]
    found = float(inner @ (middle**2 - step * step / 12.0)) + beyond * edges[-2] ** 2
    loose = ON_EDGES * total * 2.0 * step * edges[-2]
    if quantities.get(quantity).passes == "backward":
        loose += (float(inner[np.abs(middle) < step].sum()) + float(np.abs(np.diff(inner)).max())) * step * step
    else:
        loose += float((values < 4.0 * step * step).sum()) * recorded.units(layer) * step * step
    # where inputs have become equal, so have their roundings
    error = step * math.sqrt(recorded.inputs * (float(inner @ middle**2) / 3.0 + total * step * step / 180.0))
    right = float(values.sum()) * recorded.units(layer)
    # numbers in the open bins may be of any size: then the bins say how large the mean square is at least
    excess = max(0.0, found - right - loose) if beyond > 0 else max(0.0, abs(found - right) - loose)
    p = float(hypotheses.two_sided(np.array(excess / error))) if excess else 1.0
    numbers = (found / total, (error + loose) / total, right / total, 0.0, networks)
    yield recorded.verdict(layer, quantity, "histogram_second_moment", numbers, p)


def _mean(recorded: Recorded, layer: int, counted: Counted) -> Iterable[Row]:
    counts, edges, networks = counted
    if not recorded.has("preactivation_mean") or counts[0] + counts[-1] > 0:
        return
    values = recorded.column("preactivation_mean", layer)[:networks]
    if not np.isfinite(values).all():
        return
    step, total = float(edges[2] - edges[1]), float(counts.sum())
    middle = 0.5 * (edges[1:-2] + edges[2:-1])
    found = float(counts[1:-1] @ middle) / total
    dead = float((recorded.column("preactivation_second_moment", layer)[:networks] == 0).mean())
    # of a network that has vanished all h lie next to 0, half a step from the middles on either side
    error = 0.5 * step * math.sqrt(recorded.inputs / total) + (ON_EDGES + dead) * step
    right = float(values.mean())
    p = float(hypotheses.two_sided(np.array((found - right) / error)))
    yield recorded.verdict(layer, "preactivation_mean", "histogram_mean", (found, error, right, 0.0, networks), p)


def _active(recorded: Recorded, layer: int, counted: Counted) -> Iterable[Row]:
    """Of ReLU without dead networks: what lies above 0 is what is active, to a few numbers that are 0 exactly."""
    counts, edges, networks = counted
    if recorded.stack.activation.negative_slope != 0.0 or not recorded.has("active_fraction"):
        return
    if (recorded.column("preactivation_second_moment", layer)[:networks] == 0).any() or recorded.inputs > 1:
        return
    total = float(counts.sum())
    above = float(counts[:-1][edges[1:-1].searchsorted(0.0) + 1 :].sum() + counts[-1]) / total
    right = float(recorded.column("active_fraction", layer)[:networks].mean())
    numbers = (above, ON_EDGES, right, 0.0, networks)
    agrees = abs(above - right) <= ON_EDGES + 2.0 / total
    yield recorded.verdict(layer, "active_fraction", "histogram_share", numbers, float(agrees))


def _bins(recorded: Recorded, layer: int, counted: Counted) -> Iterable[Row]:
    """Chi-squared of all bins: given the layer below the h of one input and normal weights are N(0, G), independent."""
    from scipy.special import chdtrc, ndtr

    stack = recorded.stack
    normal = stack.distribution.is_gaussian and recorded.has_normal_biases and recorded.inputs == 1
    if not normal or (layer > 0 and not recorded.has("activation_second_moment")):
        return
    counts, edges, networks = counted
    variance = recorded.variance(layer)[:networks]
    if not np.isfinite(variance).all() or counts.sum() == 0:
        return
    expected = np.zeros(len(counts))
    for start in range(0, networks, CHUNK):
        root = np.sqrt(variance[start : start + CHUNK, None])
        expected += np.diff(ndtr(edges / root), axis=1).sum(axis=0)
    found, right = _merged(counts, float(stack.width[layer]) * expected)
    if len(found) < 3:
        return
    statistic = float(((found - right) ** 2 / right).sum())
    freedom = len(found) - 1.0
    p = float(chdtrc(freedom, statistic))
    numbers = (statistic, math.sqrt(2.0 * freedom), freedom, 0.0, networks)
    yield recorded.verdict(layer, "preactivation_second_moment", "histogram_given_below", numbers, p)


def _merged(counts: Floats, expected: Floats) -> tuple[Floats, Floats]:
    """Counts and expected counts, neighbouring bins joined until MERGED are expected."""
    found, right = [0.0], [0.0]
    for count, mean in zip(counts.tolist(), expected.tolist(), strict=True):
        if right[-1] >= MERGED:
            found.append(0.0)
            right.append(0.0)
        found[-1] += count
        right[-1] += mean
    if len(right) > 1 and right[-1] < MERGED:
        found[-2:], right[-2:] = [found[-2] + found[-1]], [right[-2] + right[-1]]
    return np.array(found), np.array(right)
