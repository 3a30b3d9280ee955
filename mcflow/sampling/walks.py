"""The processor's walk through one network, for each method: loaded when the first network is simulated."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from mcflow.errors import InputError, nearest
from mcflow.kernels.recorded import SUMS


class Walk(NamedTuple):
    """A compiled walk, the columns of ``kernels/recorded.py`` that it fills, and whether it leaves means in them."""

    compiled: Any
    filled: Sequence[int]
    are_means: bool = False


def _direct(one_normal_input: bool) -> Walk:
    from mcflow.kernels.cpu import direct

    return Walk(direct.walk, range(SUMS))


def _collapsed(one_normal_input: bool) -> Walk:
    from mcflow.kernels.cpu import collapsed, one_input

    # of one input and normal weights the same numbers, sooner
    return Walk(one_input.walk if one_normal_input else collapsed.walk, range(SUMS))


def _chain(one_normal_input: bool) -> Walk:
    from mcflow.kernels.cpu import chain

    return Walk(chain.walk, chain.FILLED, are_means=True)


OF: dict[str, Callable[[bool], Walk]] = {"direct": _direct, "collapsed": _collapsed, "chain": _chain}


def why_not(case: object, method: str) -> str:
    """Why the processor's kernels cannot simulate a case, or an empty string."""
    return "" if method in OF else f"method {method} has no kernel on the processor"


@functools.cache
def walk_of(method: str, one_normal_input: bool) -> Walk:
    """The walk of a method; InputError with the nearest names where it has none here."""
    if method not in OF:
        raise InputError(f"method {method!r} has no kernel on the processor; {nearest(method, OF)}")
    return OF[method](one_normal_input)
