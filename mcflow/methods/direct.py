"""Direct simulation: every weight is made, forward and backward, for any distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcflow.methods.method import Method

if TYPE_CHECKING:
    from mcflow.methods.prices import Prices
    from mcflow.model.case import Case

KEPT_WEIGHTS = 64 << 20  # bytes of weights that a thread may keep between the passes


class Direct(Method):
    """Real weights, multiplied."""

    name = "direct"
    makes_weights = True

    def why_not(self, case: Case, features: int) -> str:
        return ""

    def why(self, case: Case) -> str:
        return "it is for every case"

    def cost(self, case: Case, features: int, prices: Prices) -> float:
        program, law = case.program_for(features), case.rule.distribution
        found = program.weight_count * (prices.of_weight(law.name) + (case.batch - 1) * prices.product)
        if not law.is_independent:
            found += sum(4.0 * n_in * n * min(n_in, n) for n, n_in in program.matrices) * prices.factored
        return found

    def thread_bytes(self, case: Case, features: int, backward: bool) -> int:
        program = case.program_for(features)
        layers = program.depth if backward else 2
        found = 4 * case.batch * (program.units if layers > 2 else 2 * program.widest)
        found += min(4 * program.weight_count, KEPT_WEIGHTS)
        return found if case.rule.distribution.is_independent else found + 3 * 8 * program.widest**2

    def work(self, case: Case, features: int) -> float:
        program = case.program_for(features)
        found = program.weight_count * (1 + case.batch / 32)
        if not case.rule.distribution.is_independent:
            found *= max(program.widths) / 4  # orthogonalising is cubic in the width
        return found

    def normals(self, case: Case, features: int) -> float:
        return float(case.program_for(features).weight_count)
