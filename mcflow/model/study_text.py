"""The TOML form of a study: read from a file, parsed into tables of a case's fields, and written."""

from __future__ import annotations

import itertools
import json
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mcflow.errors import InputError, nearest

_LARGEST_TEXT = 1 << 20  # bytes of a study: the widths of the deepest network fit twice
_NUMBER = re.compile(r"(?<![\w.])\d+\.\d+(?![\w.])|(?<![\w.])\d+\.\d+e[+-]?\d+(?![\w.])")
_MOST_DOTS = 10_000  # tomllib takes quadratic time on dotted keys: two seconds for so many
_LISTS = ("width", "layers", "shape")


def read(path: str | Path) -> str:
    """The text of a study's file; InputError where it cannot be read, or is too long to be one."""
    try:
        size = Path(path).stat().st_size
        if not Path(path).is_file():  # a device or a pipe may never end
            raise InputError(f"the study {str(path)!r} is not a file")
        if size > _LARGEST_TEXT:
            raise InputError(f"the study {str(path)!r} has {size} bytes; a study is a TOML text of a few lines")
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot read the study {str(path)!r}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InputError(f"the study {str(path)!r} is not UTF-8 text; give a TOML file") from None
    except InputError:
        raise
    except ValueError as error:  # a zero byte in the path
        raise InputError(f"cannot read the study {str(path)!r}: {error}") from None


def parse(text: str, case_keys: Collection[str]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The fields of each case, grids expanded, and those of the study; ``case_keys`` are what a case may have.

    Raises InputError for text that is not TOML, unknown keys (with the nearest ones) or values that are not plain.
    """
    if _NUMBER.sub("", text).count(".") > _MOST_DOTS:
        raise InputError("the study is not TOML of mcflow: it has too many dots to be read in a reasonable time")
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: also a number of more digits than Python reads
        raise InputError(f"the study is not TOML: {error}{_hint(text, error)}") from None
    _refuse_unknown("study", document, {"networks", "seed", "backward", "keep", "case", "defaults"})
    defaults = document.pop("defaults", {})
    tables = document.pop("case", None)
    if isinstance(tables, dict):
        raise InputError("[case] is one table; write [[case]], in two brackets, above each case")
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables) or not tables:
        raise InputError("a study needs at least one [[case]] table")
    if not isinstance(defaults, dict):
        raise InputError("defaults must be a table, as in [defaults]")
    cases = [case for table in tables for case in _expand({**defaults, **table}, case_keys)]
    return cases, document


def _hint(text: str, error: Exception) -> str:
    """What would be right, where a line's value is a word without quotes."""
    place = re.search(r"at line (\d+)", str(error))
    lines = text.splitlines()
    if place is None or int(place[1]) > len(lines):
        return ""
    bare = re.fullmatch(r"\s*([\w-]+)\s*=\s*([A-Za-z][\w.:,/-]*)\s*(#.*)?", lines[int(place[1]) - 1])
    return f'; words stand in quotes: {bare[1]} = "{bare[2]}"' if bare else ""


def write(study: Mapping[str, Any], cases: Sequence[Mapping[str, Any]]) -> str:
    """TOML text of plain values: those of the study, then a table for each case."""
    lines = [f"{key} = {_value(value)}" for key, value in study.items()]
    for case in cases:
        lines += ["", "[[case]]", *(f"{key} = {_value(value)}" for key, value in case.items())]
    return "\n".join(lines) + "\n"


def _expand(table: Mapping[str, Any], known: Collection[str]) -> list[dict[str, Any]]:
    """The cases of one TOML table: the product of its lists; a list of widths is one only where lists stand in it."""
    _refuse_unknown("[[case]]", table, known)
    axes = [key for key, value in table.items() if _is_axis(key, value)]
    for key in axes:
        if not table[key]:
            raise InputError(f"the list of {key}s is empty")
    plain = {key: value for key, value in table.items() if key not in axes}
    for key, value in table.items():
        inner = value if key in axes and key not in _LISTS else [value]
        if any(isinstance(item, dict) or (isinstance(item, list) and key not in _LISTS) for item in inner):
            raise InputError(f"{key} = {value!r} in [[case]] is not a plain value, or a list of them")
    grid = itertools.product(*(table[key] for key in axes))
    return [{**plain, **dict(zip(axes, values, strict=True))} for values in grid]


def _is_axis(key: str, value: Any) -> bool:
    """Whether a value is a list of values, each of which makes a case of its own."""
    if not isinstance(value, list):
        return False
    return key not in _LISTS or (key == "width" and any(isinstance(item, list) for item in value))


def _refuse_unknown(where: str, table: Mapping[str, Any], known: Iterable[str]) -> None:
    known = sorted(known)
    for key in table:
        if key not in known:
            raise InputError(f"unknown key {key!r} in {where}; {nearest(key, known)}")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # JSON strings are TOML basic strings but for DEL, which TOML wants escaped
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, dict):  # a layer: its word first
        return "{" + ", ".join(f"{key} = {_value(item)}" for key, item in value.items()) + "}"
    return repr(value)
