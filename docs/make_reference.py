"""Writes docs/reference.md from the docstrings of the public names: ``python docs/make_reference.py``."""

from __future__ import annotations

import dataclasses
import enum
import importlib
import inspect
import re
import textwrap
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mcflow

PAGE = Path(__file__).with_name("reference.md")
HEAD = """# Reference

Made from the docstrings by `python docs/make_reference.py`; a test holds it up to date. What is not listed here is not
public.
"""
RETURNED = {  # what functions of the face return, and that has no public name to be made by
    "answers.comparison": ("Comparison", "Entry", "Growth", "Rule"),
    "answers.recommendation": ("Recommendation", "Candidate"),
    "answers.verdict_rows": ("Row",),
    "answers.verdicts": ("Verification", "Verdict"),
    "reproductions.claims": ("Claim",),
    "reproductions.reproduction": ("Reproduction",),
}
MODULES = ("activations", "schemes", "layers", "theory", "quantities")


def public(module: types.ModuleType) -> list[str]:
    """The public names of a module, sorted: those of ``__all__``, else the functions and classes that it defines."""
    names = getattr(module, "__all__", None)
    if names is None:
        here = [name for name in vars(module) if not name.startswith("_")]
        names = [name for name in here if getattr(vars(module)[name], "__module__", None) == module.__name__]
    return sorted((name for name in names if not name.startswith("__")), key=lambda name: (name.lower(), name))


def documented() -> Iterator[tuple[str, Any]]:
    """Every public name in full, and what it is: of the face, then of the modules that it offers."""
    for name in public(mcflow):
        if name not in MODULES:
            yield f"mcflow.{name}", getattr(mcflow, name)
    for place in (name for name in MODULES if name in mcflow.__all__):
        module = getattr(mcflow, place)
        for name in public(module):
            yield f"mcflow.{place}.{name}", getattr(module, name)


def returned() -> Iterator[tuple[str, Any]]:
    """The classes of what the functions return, by their bare names."""
    for place, names in RETURNED.items():
        module = importlib.import_module(f"mcflow.{place}")
        for name in names:
            yield name, getattr(module, name)


def needs_words(value: Any) -> bool:
    """Whether a docstring is to be expected: functions and classes, not constants and names of types."""
    return inspect.isfunction(value) or (inspect.isclass(value) and not isinstance(value, types.GenericAlias))


def members(value: type) -> Iterator[tuple[str, Any]]:
    """The public methods and properties that a class of ours defines, in the order of their definition."""
    for name, member in vars(value).items():
        function = getattr(member, "__func__", getattr(member, "func", getattr(member, "fget", member)))
        if not name.startswith("_") and inspect.isfunction(function):
            yield name, function


def words_of(value: Any) -> str:
    """The docstring without its indentation."""
    return inspect.cleandoc(value.__doc__ or "")


def signature(name: str, value: Any) -> str:
    """The call as it is written, one parameter a line where it would be wider than a line."""
    if inspect.isclass(value) and issubclass(value, (BaseException, enum.Enum)):
        return name
    text = str(_unquoted(inspect.signature(value)))
    found = f"{name}{text}"
    if len(found) <= 110:
        return found
    inner = text[1 : text.rindex(")")]
    lines = ",\n".join(textwrap.indent(part, "    ") for part in _split(inner))
    return f"{name}(\n{lines},\n){text[text.rindex(')') + 1 :]}"


class _Words:
    """An annotation that is text already: shown without quotation marks."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _unquoted(found: inspect.Signature) -> inspect.Signature:
    plain = lambda given: _Words(given) if isinstance(given, str) else given  # noqa: E731
    parameters = [each.replace(annotation=plain(each.annotation)) for each in found.parameters.values()]
    return found.replace(parameters=parameters, return_annotation=plain(found.return_annotation))


def _split(parameters: str) -> list[str]:
    """A list of parameters at the commas that stand in no bracket."""
    parts, depth = [""], 0
    for letter in parameters:
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def _prose(text: str) -> str:
    """A docstring as Markdown: double backticks are single ones there."""
    return re.sub(r"``(.+?)``", r"`\1`", text)


def page() -> str:
    """The whole page."""
    parts, group = [HEAD], ""
    for name, value in documented():
        above = name.rpartition(".")[0]
        if above != group:
            group = above
            module = mcflow if group == "mcflow" else getattr(mcflow, group.partition(".")[2])
            parts.append(f"## `{group}`\n\n{_prose(words_of(module))}\n")
        if needs_words(value):
            parts += _entry(name, signature(name, value), value)
    parts.append("## What functions return\n")
    for name, value in returned():
        parts += _entry(name, _fields(name, value), value)
    return "\n".join(parts)


def _fields(name: str, value: Any) -> str:
    """The attributes of what is returned, one a line."""
    return "\n".join(f"{name}.{each.name}: {each.type}" for each in dataclasses.fields(value))


def _entry(name: str, call: str, value: Any) -> list[str]:
    """One name: how it is called, its docstring, and a line for each method and property."""
    parts = [f"### `{name}`\n\n```python\n{call}\n```\n\n{_prose(words_of(value))}\n"]
    lines = []
    for member, function in members(value) if inspect.isclass(value) else ():
        is_called = isinstance(vars(value)[member], (types.FunctionType, classmethod, staticmethod))
        shown = f"{member}{_without_self(function)}" if is_called else member
        lines.append(f"- `{shown}`: {' '.join(_prose(words_of(function)).split())}")
    return [*parts, "\n".join(lines) + "\n"] if lines else parts


def _without_self(function: Any) -> str:
    found = inspect.signature(function)
    return str(_unquoted(found.replace(parameters=list(found.parameters.values())[1:])))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)
