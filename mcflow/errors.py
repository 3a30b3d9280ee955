"""The errors that a user can cause: each is one sentence that says what is wrong and what would be right."""

from __future__ import annotations

import contextlib
import difflib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path


class InputError(ValueError):
    """Bad usage or bad input: the command line ends with exit code 2 and this sentence."""


class UnknownCase(InputError, KeyError):
    """A name that no case of a result has: for ``result.get`` and the like it is the KeyError of a mapping."""

    __str__ = Exception.__str__  # a KeyError would put the sentence into quotes


class Unfinished(RuntimeError):
    """The work could not be finished; what was written is whole and ``--resume`` continues it: exit code 3."""


_SHORT = {"path": "-o"}  # options whose name on the command line is another
_at_command_line = [False]  # whether this process's user typed a command


def is_at_the_command_line() -> bool:
    """Whether sentences name options as a command has them."""
    return _at_command_line[0]


@contextlib.contextmanager
def at_the_command_line(typed: bool = True) -> Iterator[None]:
    """Within the block sentences name options as a command has them, elsewhere as the arguments of Python."""
    before, _at_command_line[0] = _at_command_line[0], typed
    try:
        yield
    finally:
        _at_command_line[0] = before


def option(name: str, value: object = None) -> str:
    """An option as the user knows it: ``--keep summary`` or ``keep='summary'``; its name alone for a value of None."""
    if not _at_command_line[0]:
        return name if value is None else f"{name}={value!r}"
    flag = _SHORT.get(name, f"--{name.replace('_', '-')}")
    return flag if value is None or value is True else f"{flag} {value}"


def as_path(given: object, name: str = "path") -> Path:
    """The path that a user gave; InputError for what is none."""
    if not isinstance(given, (str, os.PathLike)):
        raise InputError(f"{name} = {given!r} is no path; give text, as in 'runs/study.h5'")
    return Path(given)


def nearest(word: str, known: Iterable[str], count: int = 3) -> str:
    """A clause that names the known words nearest to ``word``, for the end of an error sentence."""
    known = sorted(known)
    close = difflib.get_close_matches(word.lower(), known, n=count, cutoff=0.5)
    if close:
        return "did you mean " + " or ".join(repr(name) for name in close) + "?"
    return "known are " + ", ".join(known)
