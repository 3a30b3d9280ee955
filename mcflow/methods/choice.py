"""Which method simulates a case: the one asked for, or the cheapest of those that give everything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcflow import quantities
from mcflow.errors import InputError, option
from mcflow.methods import prices, registry
from mcflow.methods.method import Method
from mcflow.methods.prices import Prices

if TYPE_CHECKING:
    from mcflow.model.case import Case

AUTO = "auto"
METHODS = (AUTO, *registry.names())
# Nanoseconds of one network on a core below which direct simulation is good enough on any device, since its networks
# can be drawn again as they are. Not of the whole study: a study that is resumed with more networks keeps its method.
SMALL = 100e3


@dataclass(frozen=True)
class Choice:
    """A method by name and why it was taken, to be told to the user."""

    method: str
    reason: str


def choose(case: Case, features: int, requested: str, of_device: Prices = prices.CPU) -> Choice:
    """The method for a case whose inputs have ``features`` entries; InputError where the requested one cannot do it.

    ``auto`` goes by the prices of the kind of device, and by nothing else of the machine.
    """
    if requested != AUTO:
        method = registry.get(requested)
        reason = method.why_not(case, features)
        if reason:
            raise InputError(
                f"{option('method', method.name)} cannot simulate {case.scheme}-{case.activation}: {reason}; use direct"
            )
        return Choice(method.name, method.as_asked)
    general, *others = filter(_gives_all, registry.ALL)
    reasons = [method.why_not(case, features) for method in others]
    able = [method for method, reason in zip(others, reasons, strict=True) if not reason]
    if not able:
        return Choice(general.name, reasons[0])
    best = min(able, key=lambda method: method.cost(case, features, of_device))
    usual, less = (method.cost(case, features, of_device) for method in (general, best))
    on_a_core = general.cost(case, features, prices.CPU)
    if on_a_core < SMALL:
        return Choice(general.name, f"one network takes {on_a_core / 1e3:.2g} us, and mcflow.draw gives it as it is")
    if less >= usual:
        too_many = f"{case.batch} inputs are too many for the {best.name} law to be cheaper"
        return Choice(general.name, too_many + of_device.where)
    return Choice(best.name, f"{best.why(case)} and {usual / less:.0f} x cheaper{of_device.where}")


def _gives_all(method: Method) -> bool:
    return all(method.gives(quantity) for quantity in quantities.ALL)
