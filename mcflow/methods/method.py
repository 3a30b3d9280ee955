"""What every method says of itself: the questions that a choice, a cost, a file and a device ask."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from mcflow.quantities import Quantity

if TYPE_CHECKING:
    from mcflow.methods.prices import Prices
    from mcflow.model.case import Case


class Method(ABC):
    """One way to simulate a case. ``features`` are the entries of one of its inputs, everywhere.

    ``counts``: it has numbers for histograms. ``makes_weights``: it walks through matrices that it makes.
    ``can_be_drawn``: ``mcflow.draw`` has weights for its networks. ``as_asked`` is told where a user asked for it.
    """

    name: ClassVar[str]
    counts: ClassVar[bool] = True
    makes_weights: ClassVar[bool] = False
    can_be_drawn: ClassVar[bool] = True
    as_asked: ClassVar[str] = "as asked"

    def gives(self, quantity: Quantity) -> bool:
        """Whether it records a quantity, where inputs and passes allow it."""
        return True

    @abstractmethod
    def why_not(self, case: Case, features: int) -> str:
        """Why it does not describe a case, as half a sentence, or an empty string."""

    @abstractmethod
    def why(self, case: Case) -> str:
        """Why it may be taken for a case, where it can."""

    @abstractmethod
    def cost(self, case: Case, features: int, prices: Prices) -> float:
        """Nanoseconds of one network, forward and backward, at one place of a device of these prices."""

    def thread_bytes(self, case: Case, features: int, backward: bool) -> int:
        """Memory that a thread needs besides its rows."""
        return 8 * 8 * case.batch * case.program_for(features).widest

    def work(self, case: Case, features: int) -> float:
        """One network's share of a part, in weights drawn. The size of parts is part of a file's identity."""
        return case.program_for(features).units * case.batch * 16.0

    def normals(self, case: Case, features: int) -> float | None:
        """Random numbers that one network draws for its layers; None where they are of another kind."""
        return None
