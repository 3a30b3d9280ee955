"""``mcflow verify``: measured against predicted, and a verdict for each case."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from mcflow import quantities
from mcflow.cli.options import json_option
from mcflow.plural import counted

if TYPE_CHECKING:
    from mcflow.answers.verdict_rows import Row
    from mcflow.answers.verdicts import Verdict, Verification
    from mcflow.cli.sheet import Column

EXAMPLE = """\b
Examples:
  mcflow verify runs/relu.h5
  mcflow verify runs/relu.h5 --tier infinite-width
  mcflow verify runs/relu.h5 --full
  mcflow verify runs/relu.h5 --all --alpha 0.001"""
MOST_NAMES = 4  # of quantities in a line


@click.command(epilog=EXAMPLE)
@click.argument("file")
@click.option("--alpha", type=float, default=0.01, metavar="A", help="Chance of any false alarm in FILE [0.01].")
@click.option("--tier", metavar="TIER", help="This tier alone: exact, exact-law, first-order, infinite-width.")
@click.option("--margin", type=float, default=0.01, metavar="R", help="Relative difference that is equal [0.01].")
@click.option("--full", is_flag=True, help="The tests too: the worst layer of each quantity, and what it rests on.")
@click.option("--all", "every", is_flag=True, help="The tests of every layer.")
@json_option
def command(file: str, alpha: float, tier: str | None, margin: float, full: bool, every: bool, as_json: bool) -> int:
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
    elif full or every:
        _print_full(found, every)
    else:
        _print_short(found)
    return 0 if found.all_consistent else 1


def _print_short(found: Verification) -> None:
    """A line for each case, why what is inconsistent is, what was not judged, and the sentence over all."""
    from mcflow.cli import sheet, tables
    from mcflow.cli.sheet import Column, Sheet

    out = tables.console()
    for note in found.notes:
        out.print(note, soft_wrap=True, markup=False)
    heads = (
        Column("case", words=True),
        Column("verdict", words=True),
        Column("worst of its tests", words=True, rank=1),
    )
    table = Sheet("", (*heads, Column("tests"), Column("not judged", rank=2)))
    for verdict in found.verdicts:
        mine = [row for row in found.tests if row.case == verdict.case]
        judged = [row for row in mine if row.judged]
        worst = _worst_in_words(min(judged, key=_by_p)) if judged else ""
        numbers = str(len(judged)), str(len(mine) - len(judged))
        table.add(verdict.case, verdict.word, worst, *numbers, bold=not verdict.consistent)
    sheet.show(out, table)
    for verdict in found.verdicts:
        if not verdict.consistent:
            for line in (f"{verdict.case}: {verdict.sentence}", *(f"  {line}" for line in _breaks(verdict, found))):
                out.print(line, soft_wrap=True, markup=False)
    for line in _not_judged(found.tests):
        out.print(line, soft_wrap=True, markup=False)
    out.print(found.sentence + "; --full has the tests", soft_wrap=True, markup=False)


def _by_p(row: Row) -> tuple[float, float]:
    """The clearest difference first."""
    return (2.0 if row.p is None else row.p, -abs(row.z or 0.0))


def _worst_in_words(row: Row) -> str:
    of = "" if row.statistic == "mean" else f" ({row.statistic.replace('_', ' ')})"
    size = "" if row.z is None else f": z {row.z:+.1f}"
    return f"{quantities.get(row.quantity).symbol}{of}, layer {row.layer}{size}"


def _not_judged(tests: Sequence[Row]) -> Iterator[str]:
    """One line for each reason, less its numbers, that tests were not judged for, over all cases."""
    reasons: dict[str, list[Row]] = {}
    for row in tests:
        if not row.judged:
            reasons.setdefault(row.why.partition(":")[0], []).append(row)
    for why, rows in reasons.items():
        names = list(dict.fromkeys(row.quantity for row in rows))
        shown = ", ".join(names[:MOST_NAMES]) + (f" and {len(names) - MOST_NAMES} more" * (len(names) > MOST_NAMES))
        yield f"not judged: {counted(len(rows), 'test')} of {shown}: {why}"


def _print_full(found: Verification, every: bool) -> None:
    from mcflow.cli import sheet, tables
    from mcflow.cli.sheet import Sheet

    out = tables.console()
    for note in found.notes:
        out.print(note, soft_wrap=True, markup=False)
    for verdict in found.verdicts:
        mine = [row for row in found.tests if row.case == verdict.case]
        shown = mine if every else _worst(mine)
        what = "every layer" if every else "the worst layer of each"
        table = Sheet(f"{verdict.case}: {what}", _columns())
        for row in shown:
            table.add(*_cells(row), bold=row.rejected)
        if shown:
            sheet.show(out, table)
        out.print(f"{verdict.case}: {verdict.sentence}", soft_wrap=True, markup=False)
        for line in (*verdict.lines[:1], *_breaks(verdict, found), *verdict.lines[1:]):
            out.print(f"  {line}", soft_wrap=True, markup=False)
    print(found.sentence)


def _columns() -> list[Column]:
    from mcflow.cli.sheet import Column

    words = ("quantity", "of", "tier")
    ranks = {"quantity": 0, "of": 0, "layer": 0, "measured": 0, "predicted": 0, "tier": 3, "z": 1, "rel. diff.": 2}
    return [*(Column(head, head in words, rank) for head, rank in ranks.items()), Column("p (Holm)")]


def _breaks(verdict: Verdict, found: Verification) -> list[str]:
    """Where the tier that was asked for breaks, if it does."""
    if found.tier is None or not verdict.breaks:
        return []
    first = ", ".join(f"{quantity} in layer {layer}" for quantity, layer in verdict.breaks.items())
    return [f"{found.tier} breaks: {first}"]


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
