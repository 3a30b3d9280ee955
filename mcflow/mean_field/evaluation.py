"""An activation taken at points, or a sentence that says why it cannot be."""

from __future__ import annotations

import numpy as np

from mcflow.activations.formulas import Elementwise
from mcflow.activations.registry import Activation
from mcflow.errors import InputError
from mcflow.mean_field.quadrature import Array


def evaluate(activation: Activation, h: Array) -> tuple[Array, Array]:
    """phi(h) and phi'(h); InputError where a user's function fails there or is not finite."""
    return values(activation, h), slopes(activation, h)


def values(activation: Activation, h: Array) -> Array:
    """phi(h); raises as ``evaluate``."""
    return _taken(activation, activation.phi, h)


def slopes(activation: Activation, h: Array) -> Array:
    """phi'(h); raises as ``evaluate``."""
    return _taken(activation, activation.dphi, h)


def _taken(activation: Activation, function: Elementwise, h: Array) -> Array:
    try:
        with np.errstate(all="ignore"):
            found = function(h)
    except (ArithmeticError, ValueError) as error:
        raise InputError(
            f"activation {activation.name!r} fails between h = {h.min():g} and {h.max():g}: {error}; "
            "it must be finite wherever a preactivation can lie"
        ) from None
    if np.isnan(found).any():
        raise InputError(
            f"activation {activation.name!r} is not a number at h = {h[np.isnan(found)][0]:g}; it must be finite"
        )
    return found
