"""An activation as it is given: a name, an Activation, or Python functions, which are registered under their own name.

A function that a module holds is ``module:phi,dphi``, by which other processes and the reader of a file can load it;
any other has its bare name. A name never changes its function that way: another one of that name is refused.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from mcflow.activations import registry
from mcflow.activations.registry import Activation
from mcflow.activations.user_functions import check_scalar
from mcflow.activations.values import values_sha256
from mcflow.errors import InputError

Function = Callable[[float], float]
Given = str | Activation | Function | tuple[Function, Function]


def resolve(given: Given) -> Activation:
    """The activation for a name, an Activation, a function phi, or a pair (phi, dphi) of plain Python functions.

    Raises InputError as ``registry.get`` and ``registry.register`` do, for a function without a name, and where its
    name is that of another function already.
    """
    if isinstance(given, Activation):
        return given
    if isinstance(given, (tuple, list)):
        if len(given) != 2 or not all(callable(each) for each in given):
            raise InputError("an activation is a name, a function phi or a pair of functions (phi, dphi)")
        return _of_functions(given[0], given[1])
    if callable(given):
        return _of_functions(given, None)
    return registry.get(str(given))


def _of_functions(phi: Any, dphi: Any) -> Activation:
    pair = [phi] if dphi is None else [phi, dphi]
    words = [getattr(each, "__name__", type(each).__name__) for each in pair]
    if "<lambda>" in words[:1]:
        raise InputError(
            "a lambda has no name by which a file could name it; write it with def, or give it one: "
            "mcflow.activations.register('mine', phi, dphi), then activation='mine'"
        )
    module = _module_of(pair, words)
    name = words[0] if module is None else f"{module}:{','.join(words)}"
    known = registry.registered(name)
    if known is None:
        return registry.register(name, phi, dphi, tuple(getattr(sys.modules.get(module or ""), "kinks", ())))
    check_scalar(name, "phi", phi)
    if dphi is not None:
        check_scalar(name, "dphi", dphi)
    # not from the cache: what a user holds may be another function by now, through a global or a closure
    if values_sha256.__wrapped__(phi, dphi) != values_sha256(*(known.scalar or (phi, dphi))):
        raise InputError(
            f"activation {name!r} is another function already, or has another derivative; give this one a name of its "
            f"own: mcflow.activations.register('NAME', phi, dphi), then activation='NAME'"
        )
    return known


def _module_of(functions: list[Any], words: list[str]) -> str | None:
    """The module from which all of these functions can be imported by these names; None where there is none."""
    modules = {getattr(each, "__module__", None) for each in functions}
    module = modules.pop()
    if modules or not module or module == "__main__":
        return None
    there = sys.modules.get(module)
    held = all(getattr(there, word, None) is each for word, each in zip(words, functions, strict=True))
    return module if held else None
