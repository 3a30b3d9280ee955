"""What this machine can compute with, and the one door to ``mcflow.kernels``: networks in, statistics out."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from mcflow.errors import InputError

if TYPE_CHECKING:
    from mcflow.model.case import Case
METHODS = ("auto", "direct", "collapsed", "chain")
# Nanoseconds on one AVX-512 core, measured (docs/benchmarks.md); only their ratios matter here.
DRAWN_WEIGHT = 1.45  # a weight drawn and multiplied by one input, forward and backward
MULTIPLIED_WEIGHT = 0.05  # ... by each further input
COLLAPSED_NUMBER = 2.7  # two normals and the statistics, for each unit and input
COLLAPSED_PRODUCT = 0.35  # factorings and products, for each unit and pair of inputs
# Nanoseconds of one network below which direct simulation is good enough, since its networks can be drawn again as they
# are. Not of the whole study: the method must not change when a study is resumed with more networks.
SMALL = 100e3


@dataclass(frozen=True)
class Choice:
    """A method and why it was taken, to be told to the user."""

    method: str
    reason: str


def choose(case: Case, features: int, requested: str) -> Choice:
    """The method for a case whose inputs have ``features`` entries; InputError where the requested one cannot do it."""
    if requested == "direct":
        return Choice("direct", "as asked")
    if requested == "chain":
        reason = _why_not_chain(case)
        if reason:
            raise InputError(f"--method chain cannot simulate {case.scheme}-{case.activation}: {reason}; use direct")
        return Choice("chain", "as asked; it gives second moments, all other quantities are absent")
    reason = _why_not_collapsed(case, features)
    if requested == "collapsed":
        if reason:
            raise InputError(
                f"--method collapsed cannot simulate {case.scheme}-{case.activation}: {reason}; use direct"
            )
        return Choice("collapsed", "as asked")
    if reason:
        return Choice("direct", reason)
    direct, collapsed = _costs(case, features)
    if direct < SMALL:
        return Choice("direct", f"one network takes {direct / 1e3:.2g} us, and mcflow.draw gives it as it is")
    if collapsed >= direct:
        return Choice("direct", f"{case.batch} inputs are too many for the collapsed law to be cheaper")
    return Choice("collapsed", f"exact for {case.rule.distribution} weights and {direct / collapsed:.0f} x cheaper")


def _why_not_collapsed(case: Case, features: int) -> str:
    """Why the collapsed law is not exact for a case, or an empty string."""
    distribution = case.rule.distribution
    if not distribution.is_rotation_invariant:
        return f"its law is exact for normal and orthogonal weights, not for {distribution} ones"
    if not distribution.is_independent:
        sizes = [features, *case.widths]
        narrowest = min(max(pair) for pair in pairwise(sizes))
        if 2 * case.batch > narrowest:
            return f"orthogonal weights need twice as many units as inputs; {case.batch} inputs meet {narrowest} units"
    return ""


def _why_not_chain(case: Case) -> str:
    """Why the chain of norms does not describe a case, or an empty string."""
    if not case.rule.distribution.is_gaussian:
        return f"it is for normal weights, not for {case.rule.distribution} ones"
    if case.nonlinearity.negative_slope is None:
        return f"it is for identity, relu, leaky_relu and prelu, not for {case.activation}"
    if case.batch != 1:
        return f"it follows one input, not {case.batch}"
    if case.bias_variance(case.widths[0]) != 0.0:
        return "it has no biases, and this case has"
    return ""


def _costs(case: Case, features: int) -> tuple[float, float]:
    """Nanoseconds that one network takes directly and collapsed."""
    batch = case.batch
    sizes = [features, *case.widths]
    weights = sum(n_in * n for n_in, n in pairwise(sizes))
    units = sum(case.widths)
    direct = weights * (DRAWN_WEIGHT + (batch - 1) * MULTIPLIED_WEIGHT)
    collapsed = units * batch * (COLLAPSED_NUMBER + batch * COLLAPSED_PRODUCT)
    if not case.rule.distribution.is_independent:  # a QR factorisation of every matrix, or a frame of a few columns
        direct += sum(4.0 * n_in * n * min(n_in, n) for n_in, n in pairwise(sizes)) * 0.05
        collapsed *= 2.0
    return direct, collapsed
