"""Stopping when precise enough: where a run looks at its errors, and what it finds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mcflow.files import part_image
from mcflow.files.part_folder import Parts, usable
from mcflow.plan import Prepared
from mcflow.plural import counted
from mcflow.quantities import ALL
from mcflow.sampling.fold import Folding, KeptRows
from mcflow.sampling.part import Part, fold
from mcflow.statistics.summaries import Accumulator

_FIRST_LOOK = 128  # under this many networks the standard error itself is a guess
SECOND_MOMENTS = tuple(quantity.name for quantity in ALL if quantity.is_second_moment)


@dataclass(frozen=True)
class Stop:
    """What a look found: the worst relative standard error of any second moment after ``networks`` networks."""

    target: float
    achieved: float
    networks: int

    @property
    def reached(self) -> bool:
        return self.achieved < self.target

    def attributes(self) -> dict[str, Any]:
        """What the file's root says of it."""
        return {"until_error": self.target, "achieved_error": self.achieved}

    def sentence(self) -> str:
        """What the user is told, with the warning that such a stop deserves."""
        verdict = "under" if self.reached else "not under"
        after = counted(self.networks, "network")
        return (
            f"worst relative standard error {self.achieved:.3g} after {after}, {verdict} the target "
            f"{self.target:g}; a run that stops on its own error is biased towards small ones: its errors and "
            "z scores are a little too good"
        )


def looks(prepared: Prepared) -> list[int]:
    """The numbers of networks at which a run looks: 128, 256, ... and the last; the same on every machine."""
    found = []
    networks = _FIRST_LOOK
    while networks < prepared.study.networks:
        found.append(networks)
        networks *= 2
    return [*found, prepared.study.networks]


def worst_relative_error(prepared: Prepared, parts: Parts) -> float:
    """The largest standard error over mean of any case's second moment in any layer; infinite where one is unknown."""
    worst = 0.0
    chosen, _ = usable(parts.names())
    for number, job in enumerate(prepared.jobs):
        found = _folded((part_image.decode(parts.read(name)) for name in chosen.get(number, [])), job.group)
        worst = max([worst, *(_relative(of) for name, of in found.items() if name in SECOND_MOMENTS)])
    return worst


def _folded(parts: Iterable[Part], group: int) -> dict[str, Accumulator]:
    """The accumulators of all networks of some parts, ascending."""
    folding, kept = Folding(group, sketched=False), []
    for part in parts:
        if part.rows is None:
            kept.append(part)
        else:
            rows = {name: rows for name, rows in part.rows.items() if name in SECOND_MOMENTS}
            folding.add_groups(KeptRows(rows, part.log2))
    return folding.result() if not kept else fold(kept).accumulators or {}


def _relative(of: Accumulator) -> float:
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = of.value.standard_error / of.value.mean
    ratio = np.where((of.value.mean == 0) & (of.value.spread == 0), 0.0, ratio)  # all dead: known exactly
    return float(np.max(np.where(np.isnan(ratio), np.inf, ratio)))
