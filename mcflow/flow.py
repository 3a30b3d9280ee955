"""Does the signal flow? A case's second moments at a few depths, beside the prediction, and a verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mcflow.documents import plain

if TYPE_CHECKING:
    from mcflow.preparation import Job

FORWARD, BACKWARD = "activation_second_moment", "gradient_second_moment"
KEPT = 10.0  # a second moment is kept where it changes by less over all layers: less than that, training repairs
CRITERION = f"within a factor {KEPT:g} over the whole depth"


@dataclass(frozen=True)
class Measured:
    """One quantity in one layer: its mean over networks, that mean's standard error, and the prediction or None."""

    mean: float
    standard_error: float
    predicted: float | None


@dataclass(frozen=True)
class Flow:
    """A case at a few depths: ``layers`` and, for each quantity, what was measured there; and the verdicts."""

    name: str
    layers: tuple[int, ...]
    measured: dict[str, tuple[Measured, ...]]
    verdicts: dict[str, str]

    @property
    def sentence(self) -> str:
        """One line: what activations and gradients do."""
        words = {FORWARD: "activations", BACKWARD: "gradients"}
        return "; ".join(f"{words[quantity]} {verdict}" for quantity, verdict in self.verdicts.items())


def depths(count: int) -> tuple[int, ...]:
    """A few layers of 1..count: first, quarters, last."""
    return tuple(sorted({1, *(max(1, round(count * share)) for share in (0.25, 0.5, 0.75)), count}))


def verdict(start: float, end: float, layer: int) -> str:
    """What became of a second moment on its way from ``start`` to ``end``, which is that of ``layer``."""
    if math.isnan(start) or math.isnan(end) or start == 0:
        return "dead" if start == 0 else "not a number"
    if end == 0:
        return f"vanish (0 by layer {layer})"
    if math.isinf(end):
        return f"explode (beyond 10^308 by layer {layer})"
    decades = math.log10(end) - math.log10(start)
    if abs(decades) <= math.log10(KEPT):
        return f"kept (x {10**decades:.2g} by layer {layer})"
    return f"{'vanish' if decades < 0 else 'explode'} (10^{decades:+.1f} by layer {layer})"


def of_case(summary: Mapping[str, NDArray[np.float64]], job: Job) -> Flow:
    """The flow of a case: ``summary`` maps QUANTITY_STATISTIC to (layer,) numbers, ``job`` has the prediction."""
    layers = depths(len(job.layers.width))
    measured: dict[str, tuple[Measured, ...]] = {}
    verdicts: dict[str, str] = {}
    for quantity in (FORWARD, BACKWARD):
        if f"{quantity}_mean" not in summary:
            continue
        mean = summary[f"{quantity}_mean"]
        error = summary[f"{quantity}_standard_error"]
        predicted = job.predicted.get(quantity)
        measured[quantity] = tuple(
            Measured(float(mean[i - 1]), float(error[i - 1]), None if predicted is None else float(predicted[i - 1]))
            for i in layers
        )
        last = len(mean)
        forward = quantity == FORWARD
        start, end, layer = (mean[0], mean[-1], last) if forward else (mean[-1], mean[0], 1)
        verdicts[quantity] = verdict(float(start), float(end), layer)
    return Flow(job.name, layers, measured, verdicts)


def records(cases: Sequence[Flow]) -> list[dict[str, Any]]:
    """The same as plain data for JSON; what is not a number is None."""
    return [
        {
            "case": case.name,
            "verdict": case.sentence,
            "layers": [
                {"layer": layer}
                | {quantity: plain(asdict(values[place])) for quantity, values in case.measured.items()}
                for place, layer in enumerate(case.layers)
            ],
        }
        for case in cases
    ]
