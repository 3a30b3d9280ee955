"""What is typed after an option, as the values it stands for: whole numbers, lists of names, widths, sweeps."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_POWER = re.compile(r"[0-9][0-9_]*(\.[0-9]+)?[eE]\+?[0-9]{1,2}")
EVERY = "all"


class WholeNumber(click.ParamType):
    """A whole number, which may be written as 10000, 10_000 or 1e4."""

    name = "integer"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> int:
        """The number; a usage error for anything else."""
        if isinstance(value, int):
            return value
        text = str(value).strip()
        try:
            number = Decimal(text) if _POWER.fullmatch(text) else Decimal(int(text))
        except ValueError:
            number = Decimal("0.5")
        if number != number.to_integral_value():
            self.fail(f"{value!r} is no whole number; write it as 10000 or 1e4", parameter, context)
        return int(number)


class Named(click.ParamType):
    """Text that names one of several things; the shell completes it. ``known`` is asked only then."""

    name = "text"

    def __init__(self, known: Callable[[], Iterable[str]], *, is_list: bool = False) -> None:
        self.known, self.is_list = known, is_list

    def shell_complete(self, context: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The names that begin with what is typed so far, after its last comma where a list is typed."""
        from click.shell_completion import CompletionItem

        before, comma, begun = incomplete.rpartition(",") if self.is_list else ("", "", incomplete)
        return [CompletionItem(before + comma + name) for name in self.known() if name.startswith(begun.lower())]


WHOLE = WholeNumber()


def names(given: Iterable[str], known: Iterable[str], *, is_whole: Callable[[str], bool] | None = None) -> list[str]:
    """The names in options that were each given one, several between commas, or ``all``.

    ``is_whole(name)`` tells a name that takes what follows its comma with it, as ``module:phi,dphi`` does.
    """
    found: list[str] = []
    for text in given:
        if text.lower() == EVERY:
            found += known
            continue
        pieces = text.split(",")
        while pieces:
            piece = pieces.pop(0)
            if is_whole is not None and is_whole(piece) and pieces and pieces[0].isidentifier():
                piece += "," + pieces.pop(0)
            found.append(piece)
    return list(dict.fromkeys(found))


def widths(text: str, flag: str = "--width") -> int | list[int]:
    """``256``: all layers; ``64,32,10``: one a layer; ``512*60,10``: sixty of 512, then one of 10."""
    from mcflow.errors import InputError
    from mcflow.model.case import MAX_DEPTH

    found: list[int] = []
    try:
        for word in text.split(","):
            width, star, times = word.partition("*")
            count = int(times) if star else 1
            if not 1 <= count <= MAX_DEPTH - len(found):
                raise ValueError
            found += [int(width)] * count
    except (ValueError, MemoryError, OverflowError):
        raise InputError(
            f"{flag} {text}: give one whole number, or one a layer as in 64,32,10 or 512*60,10, for at "
            f"most {MAX_DEPTH} layers"
        ) from None
    return found if set(text) & {",", "*"} else found[0]


def sweep(text: str, fields: Iterable[str]) -> tuple[str, list[Any]]:
    """``width=64,128,256``: a field of a case and the values that it takes in turn."""
    from mcflow.errors import InputError, nearest

    fields = [name for name in fields if name not in ("layers", "shape", "name")]
    field, equal, values = text.partition("=")
    field = field.strip().replace("-", "_")
    if not equal or not values:
        raise InputError(f"--sweep {text}: give a field and its values, as in --sweep width=64,128,256")
    if field not in fields:
        raise InputError(f"--sweep {text}: unknown field {field!r}; {nearest(field, fields)}")
    return field, [_plain(word) for word in values.split(",")]


def _plain(word: str) -> Any:
    word = word.strip()
    if word.lower() in ("true", "false"):
        return word.lower() == "true"
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word
