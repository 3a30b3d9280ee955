"""Claims, each a published number beside what was measured, and what a file of this room offers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mcflow.files.result import Result
    from mcflow.model.study import Study
    from mcflow.plots.style import Figure


class Published(Protocol):
    """What each file of this room offers; its docstring is the title of the paper, a blank line, and what it says.

    A file stands for one published result: it says which study to run, reads the claims off what the study gave, and
    draws the picture. It computes nothing that theory or the study has already.
    """

    def study(self) -> Study:
        """The study to run, of minutes at most: its seed and number of networks are part of the reproduction."""
        ...

    def judge(self, result: Result) -> Sequence[Claim]:
        """The published statements beside what ``result``, of that study, measured; each says where it stands."""
        ...

    def figure(self, result: Result) -> Figure:
        """The published picture drawn of ``result``, theory on top; called with the house's style applied."""
        ...


@dataclass(frozen=True)
class Claim:
    """A published statement as a number, and what was measured; reproduced where they differ by ``tolerance`` at most.

    ``bound`` is ``""`` for an equality, ``"at most"`` or ``"at least"``: then ``published`` is that bound.
    """

    statement: str
    source: str
    published: float
    measured: float
    standard_error: float
    tolerance: float = 0.0
    bound: str = ""

    @property
    def reproduced(self) -> bool:
        """Whether what was measured agrees with what was published; never for what is no number."""
        if not math.isfinite(self.measured):
            return False
        if self.bound:
            side = 1.0 if self.bound == "at most" else -1.0
            return side * (self.measured - self.published) <= self.tolerance
        return abs(self.measured - self.published) <= self.tolerance

    def sentence(self) -> str:
        """One line: the statement, both numbers and the verdict."""
        within = f" (within {self.tolerance:.2g})" if self.tolerance and not self.bound else ""
        bound = f"{self.bound} " if self.bound else ""
        return (
            f"{'reproduced' if self.reproduced else 'NOT reproduced'}: {self.statement}: {self.source} says "
            f"{bound}{self.published:.4g}{within}, measured {self.measured:.4g} ± {self.standard_error:.1g}"
        )
