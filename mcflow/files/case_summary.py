"""What a file says of all networks of a case: the summary of each quantity, and the counts of the histograms."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from mcflow import machine
from mcflow.files.datasets import columns, put, put_along, put_index
from mcflow.files.schema import entry
from mcflow.sampling.recorded import Pair
from mcflow.statistics import magnitudes, summaries
from mcflow.statistics.summaries import Accumulator

if TYPE_CHECKING:
    import h5py

_COLUMN_BYTES = 1 << 25  # rows that a thread holds while exact quantiles are taken
_MOST_THREADS = 4  # that sort: with more they would wait for what is read


def put_summary(group: h5py.Group, accumulators: dict[str, Accumulator]) -> None:
    """The group ``summary``; quantiles of what has no sketch are those of the rows in ``group``."""
    summary = group.create_group("summary")
    depth = len(group["layer"])
    put_index(summary, entry("CASE/summary", "layer"), depth, first=1)
    described = {name: dict(summaries.describe(accumulator)) for name, accumulator in accumulators.items()}
    exact = [name for name, accumulator in accumulators.items() if accumulator.sketch is None]
    rows = [(group[name], group.get(name + magnitudes.SUFFIX)) for name in exact]
    with ThreadPoolExecutor(min(_MOST_THREADS, machine.cores())) as pool:
        for name, found in zip(exact, pool.map(lambda pair: _quantiles(*pair), rows), strict=True):
            described[name] |= found
    names = ((quantity, statistic) for quantity, found in described.items() for statistic in found)
    pairs = [(entry("CASE/summary", f"{name}_{statistic}"), described[name][statistic]) for name, statistic in names]
    put_along(summary, "layer", pairs)


def _quantiles(rows: h5py.Dataset, log2: h5py.Dataset | None) -> dict[str, Any]:
    """Exact quantiles of (network, layer) rows, a few layers at a time."""
    networks, depth = rows.shape
    step = max(1, _COLUMN_BYTES // (8 * networks))
    pieces = []
    for start in range(0, depth, step):
        layers = slice(start, min(start + step, depth))
        pieces.append(summaries.exact_quantiles(columns(rows, layers), None if log2 is None else columns(log2, layers)))
    found = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
    plain = {name: values for name, values in found.items() if name in summaries.QUANTILES}
    for name, values in plain.items():
        logs = found.get(name + magnitudes.SUFFIX)
        if logs is not None and magnitudes.needed(values, logs) is not None:
            plain = plain | {name + magnitudes.SUFFIX: logs}
    return plain


def put_counts(group: h5py.Group, histograms: Pair) -> None:
    """The counts of preactivations and of gradients, where the case has histograms."""
    for name, counts in zip(("preactivation", "gradient"), histograms, strict=True):
        if counts is not None and "histogram" in group:
            put(group["histogram"], entry("CASE/histogram", name), counts)
