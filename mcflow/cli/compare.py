"""``mcflow compare``: which scheme keeps activations and gradients flowing, per activation."""

from __future__ import annotations

import math
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from mcflow.cli.options import json_option
from mcflow.cli.sheet import Column

if TYPE_CHECKING:
    from mcflow.answers.comparison import Comparison, Entry, Growth

EXAMPLE = """\b
Examples:
  mcflow compare runs/9-cases.h5
  mcflow compare runs/xavier.h5 runs/kaiming.h5 --json"""

_COLUMNS = (
    Column("case", words=True),
    Column("activations x"),
    Column("gradients d"),
    Column("float16 holds to", rank=3),
    Column("float32, bfloat16 to", rank=4),
    Column("dead / off / saturated", rank=2),
    Column("correlation", words=True, rank=1),
)
SMALL = 1e-2  # a factor per layer that four decimals would not show


@click.command(epilog=EXAMPLE)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@json_option
def command(files: tuple[str, ...], as_json: bool) -> None:
    """Rank the schemes in FILEs for each activation, and judge the field's rules of thumb by the data."""
    from mcflow.answers.comparison import compare
    from mcflow.cli import tables
    from mcflow.files.reading import open_study

    with ExitStack() as stack:
        opened = [open_study(file) for file in files]
        results = [stack.enter_context(each.result) for each in opened]
        found = compare(results, [each.note for each in opened if each.note])
    if as_json:
        tables.print_json(found.record())
    else:
        _print(found)


def _print(found: Comparison) -> None:
    from mcflow.answers.signal import HELD
    from mcflow.cli import sheet, tables
    from mcflow.cli.sheet import Sheet

    out = tables.console()
    for note in found.notes:
        out.print(note, soft_wrap=True, markup=False)
    for activation, ranking in found.rankings.items():
        title = f"{activation}: factor per layer of second moments, typical network, ± 95 % interval"
        table = Sheet(title, _COLUMNS)
        for entry in ranking:
            shares = " / ".join(_percent(share) for share in (entry.dead, entry.inactive, entry.saturated))
            leaves = [_leaves(entry, kind) for kind in ("float16", "float32")]
            cosine = "" if entry.correlation is None else "{:.2f} > {:.2f}".format(*entry.correlation)
            cells = [_factor(entry.activations), _factor(entry.gradients), *leaves, shares, cosine]
            table.add(entry.label, *cells)
        sheet.show(out, table)
        for line in found.sentences(activation):
            out.print(line, soft_wrap=True, markup=False)
    print("x > 12: activations overflow at layer 12; d < 40: gradients underflow 40 layers down; off: phi' = 0")
    if found.rules:
        print(
            f"a rule of thumb holds where the typical second moments stay within a factor {HELD:g} over the whole depth"
        )
    for rule in found.rules:
        out.print(rule.sentence, soft_wrap=True, markup=False)


def _factor(growth: Growth | None) -> str:
    if growth is None:
        return "not there"
    form = ".4f" if growth.per_layer >= SMALL else ".4g"
    return f"{growth.per_layer:{form}} ± {0.5 * (growth.high - growth.low):{form}}"


def _percent(share: float) -> str:
    return "?" if math.isnan(share) else f"{100 * share:.2g} %"


def _leaves(entry: Entry, kind: str) -> str:
    found = []
    for letter, growth in (("x", entry.activations), ("d", entry.gradients)):
        reach = growth.reaches[kind] if growth is not None else None
        if reach is not None and reach[0] < 10_000:
            found.append(f"{letter} {'>' if reach[1] == 'overflow' else '<'} {reach[0]:.0f}")
    return ", ".join(found) or "never"
