"""Numbers that a user gives, held against their bounds."""

from __future__ import annotations

import math
from numbers import Integral, Real

from mcflow.errors import InputError


def whole_number(name: str, value: object, low: int, high: int | None = None) -> int:
    """``value`` as an int; InputError where it is no whole number from ``low`` to ``high``."""
    bound = f"at least {low}" if high is None else f"between {low} and {high}"
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise InputError(f"{name} must be a whole number, {bound}, not {value!r}")
    number = int(value)
    if number < low or (high is not None and number > high):
        raise InputError(f"{name} = {number} is out of range; it must be {bound}")
    return number


def real_number(name: str, value: object, low: float, high: float | None = None) -> float:
    """``value`` as a float; InputError where it is no finite number from ``low`` to ``high``."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InputError(f"{name} must be a number, not {value!r}") from None
    if not math.isfinite(number) or number < low or (high is not None and number > high):
        bound = f"{low:g} or more" if high is None else f"between {low:g} and {high:g}"
        raise InputError(f"{name} = {value} is out of range; it must be {bound}")
    return number


def share(name: str, value: object) -> float:
    """``value`` as a float; InputError where it is no number between 0 and 1, both left out."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InputError(f"{name} must be a number between 0 and 1, not {value!r}")
    number = float(value)
    if not 0.0 < number < 1.0:
        raise InputError(f"{name} = {number} is out of range; it must be between 0 and 1")
    return number
