"""Networks that lack a number: a quantity of theirs is NaN, which no network that was computed right can have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mcflow import quantities
from mcflow.activations.registry import Activation
from mcflow.errors import option

COUNT = "_count"


class Counted(Protocol):
    """A result, or what stands for one."""

    @property
    def networks_done(self) -> Mapping[str, int]:
        """How many networks are there, by case."""
        ...


@dataclass(frozen=True)
class Missing:
    """``networks`` of the ``of`` of a case have no number for ``quantity``, in ``layer`` and perhaps in later ones."""

    quantity: str
    networks: int
    of: int
    layer: int

    @property
    def sentence(self) -> str:
        """Which quantity, of how many networks, from where."""
        verb = "have" if self.networks != 1 else "has"
        return f"{self.networks} of {self.of} networks {verb} no {self.quantity} (NaN), first in layer {self.layer}"


def missing(summary: Mapping[Any, Any], networks: int, cosines: bool) -> list[Missing]:
    """What a case's summary, ``QUANTITY_count`` (layer,) among it, lacks numbers of; the quantity with most first.

    ``cosines`` tells whether every cosine must be there: see ``has_every_cosine``.
    """
    found = []
    for entry in quantities.ALL:
        quantity, name = entry.name, entry.name + COUNT
        # whether x can die, has_every_cosine knows; d dies far out too, where float32 loses all slopes of an input
        may_lack = entry.needs == "gradient" or (entry.needs == "signal" and not cosines)
        if name not in summary or may_lack:
            continue
        lacking = networks - np.asarray(summary[name])
        if lacking.max(initial=0) > 0:
            first = int(np.flatnonzero(lacking > 0)[0])
            found.append(Missing(quantity, int(lacking.max()), networks, first + 1))
    return sorted(found, key=lambda item: (-item.networks, item.layer))


def sentence(found: Iterable[Missing]) -> str:
    """The worst one in full, and which other quantities lack numbers too."""
    worst, *others = found
    more = f"; so do {', '.join(item.quantity for item in others)}" if others else ""
    return worst.sentence + more


def without_networks(result: Counted) -> list[str]:
    """The cases of which no network is there yet: shards are missing, or a run was interrupted."""
    return [name for name, networks in result.networks_done.items() if not networks]


def no_networks(cases: Sequence[str]) -> str:
    """What there is to say of cases without a network, and what to do."""
    verb = "have" if len(cases) > 1 else "has"
    return (
        f"{', '.join(cases)} {verb} no network yet; merge the shards that are missing, or continue the run "
        f"({option('resume', True)})"
    )


def has_every_cosine(activation: Activation, inputs: NDArray[np.float64]) -> bool:
    """Whether no (batch, features) input can die: the cosine of a dead one is NaN by definition.

    An input dies where it is 0, or where phi is 0 or smaller than float32 holds, so that a whole layer can be.
    """
    from mcflow.theory.finite_width.dead_networks import where_zero

    never_off = where_zero(activation, activation.scalar)[0].none
    return bool(never_off and (inputs != 0).any(axis=1).all())
