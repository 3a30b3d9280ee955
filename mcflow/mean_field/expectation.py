"""Gaussian averages by name, for people: E f(sqrt(q) z) of an activation, or of a pair of inputs."""

from __future__ import annotations

import math
from collections.abc import Callable

from mcflow.activations.given import Given, resolve
from mcflow.errors import InputError, nearest
from mcflow.mean_field.moments import Moments, moments

OF: dict[str, Callable[[Moments], float]] = {
    "phi": lambda m: float(m.mean[0]),
    "phi^2": lambda m: float(m.second[0]),
    "phi^4": lambda m: float(m.fourth[0]),
    "dphi^2": lambda m: float(m.slope[0]),
    "dphi^4": lambda m: m.slope_fourth,
}
OF_PAIR = ("phi phi", "dphi dphi")


def expectation(activation: Given, q: float, of: str = "phi^2", correlation: float | None = None) -> float:
    """E f(h), h ~ N(0, q), for ``of`` = phi, phi^2, phi^4, dphi^2 or dphi^4.

    With ``correlation`` c, ``of`` is ``phi phi`` or ``dphi dphi``: E[phi(h_a) phi(h_b)] for two such h of that
    correlation. Relative error 1e-10 for built-in activations and q between 1e-12 and 1e6.
    Raises InputError for q or c out of range, or a function that is not square-integrable.
    """
    activation = resolve(activation)
    if not (math.isfinite(q) and 1e-40 <= q <= 1e40):
        raise InputError(f"q = {q} is out of range; it must be between 1e-40 and 1e40")
    if correlation is not None:
        if of not in OF_PAIR:
            raise InputError(f"of = {of!r} with a correlation; {nearest(of, OF_PAIR)}")
        if not -1.0 <= correlation <= 1.0:
            raise InputError(f"correlation = {correlation} is out of range; it must be between -1 and 1")
        from mcflow.mean_field import pairs

        return pairs.product(activation, q, q, correlation, derivative=of == "dphi dphi")
    if of not in OF:
        raise InputError(f"of = {of!r}; {nearest(of, OF)}")
    return OF[of](moments(activation, float(q)))
