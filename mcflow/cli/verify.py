"""``mcflow verify``: measured against predicted, and a verdict for each case."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import click

from mcflow import quantities
from mcflow.cli.options import json_option

if TYPE_CHECKING:
    from mcflow.answers.verdict_rows import Row
    from mcflow.answers.verdicts import Verdict, Verification

EXAMPLE = """\b
Examples:
  mcflow verify runs/relu.h5
  mcflow verify runs/relu.h5 --tier infinite-width
  mcflow verify runs/relu.h5 --all --alpha 0.001"""


@click.command(epilog=EXAMPLE)
@click.argument("file")
@click.option("--alpha", type=float, default=0.01, metavar="A", help="Chance of any false alarm in FILE [0.01].")
@click.option("--tier", metavar="TIER", help="This tier alone: exact, exact-law, first-order, infinite-width.")
@click.option("--margin", type=float, default=0.01, metavar="R", help="Relative difference that is equal [0.01].")
@click.option("--all", "every", is_flag=True, help="Every layer, not only the worst one of each quantity.")
@json_option
def command(file: str, alpha: float, tier: str | None, margin: float, every: bool, as_json: bool) -> int:
    """Judge every layer and quantity of FILE that theory predicts. Exit code 0: consistent, 1: not."""
    from mcflow.answers import crew
    from mcflow.answers.subject import Subject
    from mcflow.answers.verdicts import judge
    from mcflow.cli import progress_line, tables
    from mcflow.files.reading import open_study

    opened = open_study(file)
    with opened.result as result, progress_line.shown() as show:
        subject = Subject(result, show)
        with crew.hired(subject):
            found = judge(subject, alpha, tier, margin, opened.note)
    if as_json:
        tables.print_json({"file": file, **found.record()})
    else:
        _print(found, every)
    return 0 if found.all_consistent else 1


def _print(found: Verification, every: bool) -> None:
    from rich.table import Table

    from mcflow.cli import tables

    out = tables.console()
    for note in found.notes:
        out.print(note, soft_wrap=True, markup=False)
    for verdict in found.verdicts:
        mine = [row for row in found.tests if row.case == verdict.case]
        shown = mine if every else _worst(mine)
        what = "every layer" if every else "the worst layer of each"
        table = Table(title=f"{verdict.case}: {what}", title_justify="left")
        table.add_column("quantity", no_wrap=True)
        for column in ("of", "layer", "measured", "predicted", "tier", "z", "rel. diff.", "p (Holm)"):
            table.add_column(column, justify="left" if column in ("of", "tier") else "right", no_wrap=True)
        for row in shown:
            table.add_row(*_cells(row), style="bold" if row.rejected else None)
        if shown:
            tables.show(out, table)
        out.print(f"{verdict.case}: {verdict.sentence}", soft_wrap=True, markup=False)
        for line in _closing(verdict, found):
            out.print(f"  {line}", soft_wrap=True, markup=False)
    print(found.sentence)


def _closing(verdict: Verdict, found: Verification) -> list[str]:
    equal, *rest = verdict.lines
    if found.tier is None or not verdict.breaks:
        return [equal, *rest]
    first = ", ".join(f"{quantity} in layer {layer}" for quantity, layer in verdict.breaks.items())
    return [equal, f"{found.tier} breaks: {first}", *rest]


def _worst(rows: list[Row]) -> list[Row]:
    """For each quantity and statistic the row of the smallest p, or the first where none was judged."""
    out: dict[tuple[str, str], Row] = {}
    for row in sorted(rows, key=lambda row: 2.0 if row.p is None else row.p):
        out.setdefault((row.quantity, row.statistic), row)
    order = {(row.quantity, row.statistic): None for row in rows}
    return [out[key] for key in order]


def _cells(row: Row) -> list[str]:
    from mcflow.cli import tables
    from mcflow.statistics import magnitudes

    name = quantities.get(row.quantity).symbol
    if row.p_adjusted is None:
        p = "not judged"
    else:
        p = f"{row.p_adjusted:.2g}" + (" FAILS" if row.rejected else "")
    relative = "" if row.relative_difference is None else f"{100 * row.relative_difference:+.3g} %"
    z = "" if row.z is None else f"{row.z:+.2f}"
    measured = tables.measured(row.measured, row.standard_error, row.exponent)
    return [
        name,
        row.statistic.replace("_", " "),
        str(row.layer),
        measured,
        "" if math.isnan(row.predicted) else magnitudes.text(row.predicted, row.exponent, 5),
        row.tier,
        z,
        relative,
        p,
    ]
