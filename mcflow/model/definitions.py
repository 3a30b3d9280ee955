"""What a case's scheme and activation are beyond their names: another function under the same name is another study."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcflow import schemes
from mcflow.activations.registry import Activation
from mcflow.activations.user_functions import Scalar
from mcflow.model.case import Case, Layers

# Both signs, dense where preactivations are: 0.001 apart at 1. Not 0, where a formula such as sin(h) / h has no value.
_PROBES = (30.0 * (np.arange(1, 8193) / 8192.0) ** 3).tolist()
_SAME = 1e-12  # relative: another libm may differ in the last bits of a variance


@dataclass(frozen=True)
class Definition:
    """The law of a case's weights and the values of its activation.

    ``weight_std`` is (layer,). ``distribution`` is empty where a file does not say it; ``activation_sha256`` there,
    and where the activation is built in.
    """

    scheme: str
    activation: str
    distribution: str
    activation_sha256: str
    weight_std: NDArray[np.float64] = field(compare=False)

    def text(self) -> list[object]:
        """The same as plain data, the standard deviations to 12 digits."""
        std = [f"{value:.12g}" for value in self.weight_std.tolist()]
        return [self.distribution, self.activation_sha256, std]


def definition_of(case: Case, layers: Layers) -> Definition:
    """The definition of a case by the functions that are registered in this process."""
    digest = "" if case.nonlinearity.is_builtin else values_sha256(case.nonlinearity)
    return Definition(case.scheme, case.activation, case.rule.distribution.name, digest, layers.weight_std)


def stated(attributes: Mapping[str, Any], weight_std: NDArray[np.float64]) -> Definition:
    """The definition that the attributes of a case in a file state."""
    words = [str(attributes.get(name, "")) for name in ("scheme", "activation", "distribution", "activation_sha256")]
    return Definition(words[0], words[1], words[2], words[3], np.asarray(weight_std, dtype=np.float64))


def is_own(case: Case) -> bool:
    """Whether a case has a scheme or an activation of the user's own, so that their names do not say what they are."""
    return not case.nonlinearity.is_builtin or not schemes.is_builtin(case.scheme)


def difference(there: Definition, here: Definition) -> str:
    """The first thing in which two definitions of the same names differ, in words; empty where they agree."""
    name = f"scheme {here.scheme!r}"
    law, law_here = there.distribution, here.distribution
    if law and law != law_here:
        return f"{name} draws {law} weights there and {law_here} here"
    if len(there.weight_std) != len(here.weight_std):
        return f"there are {len(there.weight_std)} layers there and {len(here.weight_std)} here"
    unequal = np.flatnonzero(~np.isclose(there.weight_std, here.weight_std, rtol=_SAME, atol=0.0))
    if len(unequal):
        layer = int(unequal[0])
        old, new = there.weight_std[layer], here.weight_std[layer]
        return f"{name} gives the weights of layer {layer + 1} standard deviation {old:.9g} there and {new:.9g} here"
    if there.activation_sha256 and there.activation_sha256 != here.activation_sha256:
        return f"activation {here.activation!r} has other values there than here"
    return ""


def values_sha256(activation: Activation) -> str:
    """SHA-256 of phi, and of a phi' of the user's, at some thousand points.

    It sees what constants, closures, defaults and globals do.
    """
    assert activation.scalar is not None
    return _digest(*activation.scalar)


@lru_cache(maxsize=64)  # a registered function stays what it is
def _digest(phi: Scalar, dphi: Scalar | None) -> str:
    found = hashlib.sha256()
    for function in filter(None, (phi, dphi)):
        # 7 digits: enough to see an edit, few enough that another libm gives the same text
        found.update("".join(f" {_value(function, x)} {_value(function, -x)}" for x in _PROBES).encode())
    return found.hexdigest()


def _value(function: Scalar, x: float) -> str:
    try:
        return f"{float(function(x)):.7g}"
    except (ArithmeticError, ValueError):  # a point where a formula has no value
        return "none"
