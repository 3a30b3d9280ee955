"""What is recorded of every layer: each quantity, what it is made of, and how it grows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from mcflow.bounds import whole_number
from mcflow.errors import InputError, nearest
from mcflow.kernels import recorded as at

Kind = Literal["moment", "mean", "fraction", "cosine", "ratio"]
NO_POWERS = (0, 0, 0, 0)
HISTOGRAM_BINS, HISTOGRAM_REACH = at.BINS, at.REACH
SATURATION = at.SATURATION


@dataclass(frozen=True)
class Quantity:
    """One number of each network and layer.

    ``kind``: a ``moment`` is positive, carried by its logarithm and relative to itself; a ``mean`` may have either
    sign; a ``fraction`` is a share of units, a ``cosine`` lies in -1 .. 1, a ``ratio`` has no size.
    ``passes``: ``forward`` or ``backward``, the pass that gives it. ``of_slope`` where it is made of phi'.

    It is the product of the sums ``numerator`` over that of the sums ``denominator`` (columns of
    ``kernels/recorded.py``) and over ``divisor``: the layer's ``units`` times inputs, its ``weights`` times inputs, or
    ``pairs``, the mean cosine that squared sums of unit vectors hold. ``powers``: by which power of h, of x, of d and
    of the layer's inputs it grows. ``least_inputs``: with fewer it is not recorded.
    ``scale`` of a mean: the second moment whose root its errors are relative to.
    ``size``: the moment of the same layer whose few large networks may carry it.

    How it is judged. ``symmetric``: its law over networks is even, its mean 0 at every width. ``heavy``: so heavy a
    tail that its spread over networks says nothing. ``follows``: another moment and a power; over networks its
    logarithm spreads at least by that power times the other's. ``needs``: what must not have died in a network for it
    to have a number, every input's ``signal`` or its ``gradient``; nothing where all networks have one.
    ``told_apart``: whether networks are independent is seen in it, by their ``order`` alone where many may share one
    value, by their ``value`` too where no two can. ``given_below``: in which layers it is, given the layer below, an
    average of independent terms, one a unit: ``every`` or the ``last``. ``histogram``: the counts of a file whose
    second moment it is.
    """

    name: str
    symbol: str
    long_name: str
    kind: Kind
    numerator: tuple[int, ...]
    denominator: tuple[int, ...] = ()
    divisor: Literal["units", "weights", "pairs"] = "units"
    powers: tuple[int, int, int, int] = NO_POWERS
    passes: Literal["forward", "backward"] = "forward"
    least_inputs: int = 1
    of_slope: bool = False
    scale: str = ""
    size: str = "preactivation_second_moment"
    symmetric: bool = False
    heavy: bool = False
    follows: tuple[str, float] | None = None
    needs: Literal["", "signal", "gradient"] = ""
    told_apart: Literal["", "order", "value"] = ""
    given_below: Literal["", "every", "last"] = ""
    histogram: str = ""

    @property
    def sums(self) -> tuple[int, ...]:
        """The columns that it is made of."""
        return self.numerator + self.denominator

    @property
    def is_second_moment(self) -> bool:
        """Whether it is a mean of squares."""
        return self.kind == "moment" and max(self.powers) == 2

    @property
    def has_size(self) -> bool:
        """Whether it can leave float64."""
        return self.powers != NO_POWERS


ALL = (
    Quantity(
        "preactivation_mean", "mean h", "mean over units and inputs of the preactivation h", "mean", (at.H_ONE,),
        powers=(1, 0, 0, 0), scale="preactivation_second_moment", symmetric=True,
    ),
    Quantity(
        "preactivation_second_moment", "mean h^2", "mean over units and inputs of h^2", "moment", (at.H_TWO,),
        powers=(2, 0, 0, 0), told_apart="value", histogram="preactivation",
    ),
    Quantity(
        "preactivation_fourth_moment", "mean h^4", "mean over units and inputs of h^4", "moment", (at.H_FOUR,),
        powers=(4, 0, 0, 0), heavy=True, follows=("preactivation_second_moment", 2.0),
    ),
    Quantity(
        "activation_mean", "mean x", "mean over units and inputs of the activation x = phi(h)", "mean", (at.X_ONE,),
        powers=(0, 1, 0, 0), scale="activation_second_moment", size="activation_second_moment",
        given_below="every",
    ),
    Quantity(
        "activation_second_moment", "mean x^2", "mean over units and inputs of x^2", "moment", (at.X_TWO,),
        powers=(0, 2, 0, 0), told_apart="order", given_below="every",
    ),
    Quantity(
        "activation_absolute_mean", "mean |x|", "mean over units and inputs of the size of x", "moment", (at.X_SIZE,),
        powers=(0, 1, 0, 0), follows=("activation_second_moment", 0.5), given_below="every",
    ),
    Quantity(
        "participation_ratio", "participation ratio of x",
        "(mean of x^2)^2 / mean of x^4, means over units and inputs: the share of them that carries x^2", "ratio",
        (at.X_TWO, at.X_TWO), (at.X_FOUR,), size="activation_second_moment", needs="signal",
    ),
    Quantity(
        "active_fraction", "active fraction", "share of units with phi'(h) != 0", "fraction", (at.ACTIVE,),
        of_slope=True, given_below="every",
    ),
    Quantity(
        "saturated_fraction", "saturated fraction",
        f"share of units where phi'(h) is in size under {at.SATURATION:g} of its maximum", "fraction", (at.SATURATED,),
        of_slope=True, given_below="every",
    ),
    Quantity(
        "preactivation_correlation", "correlation of h",
        "mean cosine between the preactivations of each pair of inputs", "cosine", (at.H_COSINES,),
        divisor="pairs", least_inputs=2, needs="signal",
    ),
    Quantity(
        "gradient_second_moment", "mean d^2", "mean over units and inputs of d^2, d = d loss / d h", "moment",
        (at.D_TWO,), powers=(0, 0, 2, 0), passes="backward", of_slope=True, told_apart="value", given_below="last",
        histogram="gradient",
    ),
    Quantity(
        "weight_gradient_second_moment", "mean (d x)^2",
        "mean over weights and inputs of the squared weight gradient (d x)^2", "moment", (at.D_PRODUCT,),
        divisor="weights", powers=(0, 0, 2, 2), passes="backward", of_slope=True,
    ),
    Quantity(
        "gradient_correlation", "correlation of d", "mean cosine between the gradients d of each pair of inputs",
        "cosine", (at.D_COSINES,), divisor="pairs", passes="backward", least_inputs=2, of_slope=True,
        symmetric=True, needs="gradient",
    ),
)  # fmt: skip
NAMES = tuple(quantity.name for quantity in ALL)
_BY_NAME = {quantity.name: quantity for quantity in ALL}


def get(name: str) -> Quantity:
    """The quantity of that name; raises InputError for an unknown one."""
    if name not in _BY_NAME:
        raise InputError(f"unknown quantity {name!r}; {nearest(name, NAMES)}")
    return _BY_NAME[name]


def given(inputs: int, backward: bool, sums: Iterable[int]) -> tuple[Quantity, ...]:
    """Those that the columns ``sums`` make of so many inputs, with or without a backward pass."""
    inputs, there = whole_number("inputs", inputs, 1), set(sums)
    return tuple(
        quantity
        for quantity in ALL
        if quantity.least_inputs <= inputs
        and (backward or quantity.passes == "forward")
        and there.issuperset(quantity.sums)
    )
