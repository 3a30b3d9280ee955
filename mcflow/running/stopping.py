"""Stopping when precise enough: where a run looks at its errors, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mcflow.files import part_image
from mcflow.files.part_folder import Parts, usable
from mcflow.plan import Prepared
from mcflow.plural import counted
from mcflow.quantities import ALL
from mcflow.statistics import summaries
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
    chosen, prefixes, _ = usable(parts.names())
    for number in range(len(prepared.jobs)):
        names = sorted(name for (case, _), name in chosen.items() if case == number)
        names = [*([prefixes[number]] if number in prefixes else []), *names]
        folded: dict[str, Accumulator] = {}
        for name in names:
            part, _ = part_image.decode(parts.read(name))
            for quantity in SECOND_MOMENTS:
                if part.rows is not None and quantity in part.rows:
                    here = summaries.accumulate(part.rows[quantity], False, part.log2.get(quantity))
                elif part.accumulators is not None and quantity in part.accumulators:
                    here = part.accumulators[quantity]
                else:
                    continue
                folded[quantity] = summaries.merge(folded[quantity], here) if quantity in folded else here
        worst = max([worst, *(_relative(of) for of in folded.values())])
    return worst


def _relative(of: Accumulator) -> float:
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = of.value.standard_error / of.value.mean
    ratio = np.where((of.value.mean == 0) & (of.value.spread == 0), 0.0, ratio)  # all dead: known exactly
    return float(np.max(np.where(np.isnan(ratio), np.inf, ratio)))
