"""The methods there are, by the names that a command, a file and the kernels' tables give them."""

from __future__ import annotations

from mcflow.errors import InputError, nearest
from mcflow.methods.chain import Chain
from mcflow.methods.collapsed import Collapsed
from mcflow.methods.direct import Direct
from mcflow.methods.method import Method

DIRECT = Direct()
ALL: tuple[Method, ...] = (DIRECT, Collapsed(), Chain())  # the first one can simulate every case


def names() -> list[str]:
    """Every name that ``get`` knows."""
    return [method.name for method in ALL]


def get(name: str) -> Method:
    """The method called ``name``; InputError with the nearest names where there is none."""
    for method in ALL:
        if method.name == name:
            return method
    raise InputError(f"unknown method {name!r}; {nearest(str(name), names())}")
