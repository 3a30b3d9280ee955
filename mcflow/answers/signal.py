"""Does the signal flow? A case's second moments at a few depths, beside the prediction, and a verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mcflow.answers import differences
from mcflow.answers.document import plain
from mcflow.statistics import magnitudes

if TYPE_CHECKING:
    from mcflow.plan import Job

FORWARD, BACKWARD = "activation_second_moment", "gradient_second_moment"
DIFFERENCES = "input_differences"
KEPT = 2.0  # a second moment is kept where it changes by less over all layers,
HELD = 10.0  # drifts where it changes by less than this, which training repairs, and else vanishes or explodes
CRITERION = f"within a factor {KEPT:g} over the whole depth; drift: within {HELD:g}"


@dataclass(frozen=True)
class Measured:
    """One quantity in one layer: its mean over networks, that mean's standard error, and the prediction or None.

    All are multiples of 2**exponent, which is 0 but near the ends of float64 and beyond.
    """

    mean: float
    standard_error: float
    predicted: float | None
    exponent: int = 0

    def record(self) -> dict[str, Any]:
        """The same as plain data, with NAME_log10 for what may have left float64."""
        out = {"mean": self.mean, "standard_error": self.standard_error, "predicted": self.predicted}
        if self.exponent:
            known = {name: value for name, value in out.items() if value is not None}
            out |= {name: magnitudes.plain(value, self.exponent) for name, value in known.items()}
            out |= {f"{name}_log10": magnitudes.log10(value, self.exponent) for name, value in known.items()}
        return dict(plain(out))


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
        words = {FORWARD: "activations", BACKWARD: "gradients", DIFFERENCES: "differences between inputs"}
        return "; ".join(f"{words[quantity]} {verdict}" for quantity, verdict in self.verdicts.items())


def depths(count: int) -> tuple[int, ...]:
    """A few layers of 1..count: first, quarters, last."""
    return tuple(sorted({1, *(max(1, round(count * share)) for share in (0.25, 0.5, 0.75)), count}))


def verdict(start: float, end: float, layer: int, steps: int) -> str:
    """What became of a second moment from ``start`` to ``end``, decimal logarithms, within ``steps``, at ``layer``."""
    if math.isnan(start) or math.isnan(end) or start == -math.inf:
        return "dead" if start == -math.inf else "not a number"
    if end == -math.inf:
        return f"vanish (0 by layer {layer})"
    if end == math.inf:
        return f"explode (beyond 10^308 by layer {layer})"
    decades = end - start
    if abs(decades) <= math.log10(KEPT):
        return f"kept (x {10**decades:.2g} by layer {layer})"
    rate = f"x {magnitudes.power_of_ten(decades / max(1, steps), 3)} a layer"
    if abs(decades) <= math.log10(HELD):
        return f"drift (x {10**decades:.2g} by layer {layer}, {rate})"
    return f"{'vanish' if decades < 0 else 'explode'} (10^{decades:+.1f} by layer {layer}, {rate})"


def of_case(summary: Mapping[str, NDArray[np.float64]], job: Job) -> Flow:
    """The flow of a case: ``summary`` maps QUANTITY_STATISTIC to (layer,) numbers, ``job`` has the prediction."""
    layers = depths(job.program.depth)
    measured: dict[str, tuple[Measured, ...]] = {}
    verdicts: dict[str, str] = {}
    for quantity in (FORWARD, BACKWARD):
        if f"{quantity}_mean" not in summary:
            continue
        logs = magnitudes.log10_of(summary, f"{quantity}_mean")
        measured[quantity] = _measured(summary, job, quantity, logs, layers)
        start, end, layer = (logs[0], logs[-1], len(logs)) if quantity == FORWARD else (logs[-1], logs[0], 1)
        verdicts[quantity] = verdict(float(start), float(end), layer, len(logs) - 1)
    if differences.have_a_common_part(job) and job.program.depth > 1:
        verdicts |= _verdict_on_differences(summary, job)
    return Flow(job.name, layers, measured, verdicts)


def _verdict_on_differences(summary: Mapping[str, NDArray[np.float64]], job: Job) -> dict[str, str]:
    """A size that is kept may be the same for every input: whether they can still be told apart."""
    depth = job.program.depth
    ends = differences.measured(summary)
    if ends is not None and ends[1] == -math.inf:
        return {DIFFERENCES: f"vanish (under {differences.FINEST:g} of h^2 by layer {depth})"}
    if ends is not None:
        return {DIFFERENCES: verdict(*ends, depth, depth - 1)}
    ends = differences.predicted(job)
    return {} if ends is None else {DIFFERENCES: verdict(*ends, depth, depth - 1) + ", by theory"}


def _measured(
    summary: Mapping[str, NDArray[np.float64]],
    job: Job,
    quantity: str,
    log10: NDArray[np.float64],
    layers: tuple[int, ...],
) -> tuple[Measured, ...]:
    exponent = magnitudes.unit_of(log10 / magnitudes.LOG10_2)
    mean, error = (
        magnitudes.carried(summary[name], magnitudes.partner(summary, name), exponent)
        for name in (f"{quantity}_mean", f"{quantity}_standard_error")
    )
    predicted = np.full(len(mean), np.nan)
    known = quantity in job.predicted
    if known:
        logs = job.predicted[f"{quantity}_log10"] / magnitudes.LOG10_2
        predicted = magnitudes.carried(job.predicted[quantity], logs, exponent)
    numbers = zip(mean.tolist(), error.tolist(), predicted.tolist(), exponent.tolist(), strict=True)
    of_layers = [Measured(m, e, p if known else None, unit) for m, e, p, unit in numbers]
    return tuple(of_layers[layer - 1] for layer in layers)


def records(cases: Sequence[Flow]) -> list[dict[str, Any]]:
    """The same as plain data for JSON; what is not a number is None."""
    return [
        {
            "case": case.name,
            "verdict": case.sentence,
            "layers": [
                {"layer": layer} | {quantity: values[place].record() for quantity, values in case.measured.items()}
                for place, layer in enumerate(case.layers)
            ],
        }
        for case in cases
    ]
