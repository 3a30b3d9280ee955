"""What a case's scheme and activation are beyond their names: another function under the same name is another study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcflow import schemes
from mcflow.activations import values
from mcflow.activations.registry import Activation
from mcflow.model.case import Case
from mcflow.model.program import Program

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


def definition_of(case: Case, program: Program) -> Definition:
    """The definition of a case by the functions that are registered in this process."""
    digest = "" if case.nonlinearity.is_builtin else values_sha256(case.nonlinearity)
    return Definition(
        " or ".join(case.scheme_names), case.activation, case.rule.distribution.name, digest, program.weight_std
    )


def stated(attributes: Mapping[str, Any], weight_std: NDArray[np.float64]) -> Definition:
    """The definition that the attributes of a case in a file state."""
    words = [str(attributes.get(name, "")) for name in ("scheme", "activation", "distribution", "activation_sha256")]
    return Definition(words[0], words[1], words[2], words[3], np.asarray(weight_std, dtype=np.float64))


def is_own(case: Case) -> bool:
    """Whether a case has a scheme or an activation of the user's own, so that their names do not say what they are."""
    return not case.nonlinearity.is_builtin or not all(map(schemes.is_builtin, case.scheme_names))


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
    """The digest of the values of a user's activation."""
    assert activation.scalar is not None
    return values.values_sha256(*activation.scalar)
