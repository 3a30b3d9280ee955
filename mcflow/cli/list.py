"""``mcflow list``: the names that options take, with their formulas and what they mean."""

from __future__ import annotations

from collections.abc import Callable

import click

from mcflow.cli.options import json_option
from mcflow.cli.values import Named

Rows = list[tuple[str, ...]]

EXAMPLE = """\b
Examples:
  mcflow list
  mcflow list activations
  mcflow list schemes --json"""


def _schemes() -> Rows:
    from mcflow import schemes

    found = [(name, scheme.formula, scheme.meaning) for name, scheme in schemes.BUILTIN.items()]
    return [
        *found,
        ("normal:STD", "STD^2", "the same law in every layer, whatever its fans"),
        ("uniform:STD", "STD^2", "the same, from U(-sqrt(3) STD, sqrt(3) STD)"),
    ]


def _activations() -> Rows:
    from mcflow.activations.descriptions import DESCRIPTIONS
    from mcflow.activations.formulas import PARAMETRIC

    found: Rows = []
    for name, (formula, meaning) in DESCRIPTIONS.items():
        shown = f"{name}:a" if name in PARAMETRIC else name
        default = f"; a = {PARAMETRIC[name].default:g} where none is given" if name in PARAMETRIC else ""
        found.append((shown, formula, meaning + default))
    return found


def _quantities() -> Rows:
    from mcflow import quantities

    return [(each.name, each.symbol, each.long_name) for each in quantities.ALL]


def _figures() -> Rows:
    from mcflow.plots import FIGURES

    return list(FIGURES.items())


def _reproductions() -> Rows:
    from mcflow.reproductions.reproduction import FIGURES

    return list(FIGURES.items())


# what: how its rows are found, and their heads
SUBJECTS: dict[str, tuple[Callable[[], Rows], tuple[str, ...]]] = {
    "schemes": (_schemes, ("scheme", "variance of a weight", "meaning")),
    "activations": (_activations, ("activation", "phi(h)", "meaning")),
    "quantities": (_quantities, ("quantity", "symbol", "meaning")),
    "figures": (_figures, ("figure", "what it shows")),
    "reproductions": (_reproductions, ("reproduction", "what it shows")),
}


@click.command(epilog=EXAMPLE)
@click.argument("what", required=False, type=Named(SUBJECTS.keys), metavar="[SUBJECT]")
@json_option
def command(what: str | None, as_json: bool) -> None:
    """List schemes, activations, quantities, figures or reproductions; all of them where SUBJECT is left out."""
    from mcflow.cli import sheet, tables
    from mcflow.cli.sheet import Column, Sheet
    from mcflow.errors import InputError, nearest

    if what is not None and what not in SUBJECTS:
        raise InputError(f"unknown subject {what!r}; {nearest(what, SUBJECTS)}")
    chosen = [what] if what is not None else list(SUBJECTS)
    if as_json:
        documents = {}
        for name in chosen:
            rows, heads = SUBJECTS[name]
            documents[name] = [dict(zip(heads, row, strict=True)) for row in rows()]
        tables.print_json(documents)
        return
    out = tables.console()
    for name in chosen:
        rows, heads = SUBJECTS[name]
        last = len(heads) - 1
        table = Sheet(name, [Column(head, words=True, rank=int(place == last > 1)) for place, head in enumerate(heads)])
        for row in rows():
            table.add(*row)
        sheet.show(out, table)
