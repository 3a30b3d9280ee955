"""The collapsed law: what normal and orthogonal weights do to a few inputs, exactly, without the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcflow.methods.method import Method

if TYPE_CHECKING:
    from mcflow.methods.prices import Prices
    from mcflow.model.case import Case


class Collapsed(Method):
    """The joint law of all that a network does to its inputs."""

    name = "collapsed"

    def why_not(self, case: Case, features: int) -> str:
        law = case.rule.distribution
        if not law.is_rotation_invariant:
            return f"its law is exact for normal and orthogonal weights, not for {law} ones"
        if not law.is_independent:
            narrowest = min(map(max, case.program_for(features).matrices))
            if 2 * case.batch > narrowest:
                return (
                    f"orthogonal weights need twice as many units as inputs; {case.batch} inputs meet {narrowest} units"
                )
        return ""

    def why(self, case: Case) -> str:
        return f"exact for {case.rule.distribution} weights"

    def cost(self, case: Case, features: int, prices: Prices) -> float:
        found = case.program_for(features).units * prices.of_collapsed(case.batch)
        return found if case.rule.distribution.is_independent else found * prices.frames

    def normals(self, case: Case, features: int) -> float:
        return 2.0 * case.program_for(features).units * case.batch
