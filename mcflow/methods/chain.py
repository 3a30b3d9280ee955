"""The chain of norms: second moments of one input in a (leaky) ReLU or linear network, a few variates a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcflow.methods.method import Method
from mcflow.quantities import Quantity

if TYPE_CHECKING:
    from mcflow.methods.prices import Prices
    from mcflow.model.case import Case

VARIATES = 200.0  # ns a layer, of its variates, on a core; never the reason of a choice, since it does not give all


class Chain(Method):
    """Norms that are multiplied by independent factors, layer by layer."""

    name = "chain"
    counts = False  # it follows norms, and has no numbers to count
    can_be_drawn = False
    as_asked = "as asked; it gives second moments, all other quantities are absent"

    def gives(self, quantity: Quantity) -> bool:
        return quantity.is_second_moment

    def why_not(self, case: Case, features: int) -> str:
        if not case.rule.distribution.is_gaussian:
            return f"it is for normal weights, not for {case.rule.distribution} ones"
        if case.nonlinearity.negative_slope is None:
            return f"it is for identity, relu, leaky_relu and prelu, not for {case.activation}"
        if case.batch != 1:
            return f"it follows one input, not {case.batch}"
        if case.program_for(features).has_biases:
            return "it has no biases, and this case has"
        return ""

    def why(self, case: Case) -> str:
        return "exact for second moments"

    def cost(self, case: Case, features: int, prices: Prices) -> float:
        return VARIATES * case.program_for(features).depth
