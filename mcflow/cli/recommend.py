"""``mcflow recommend``: the scheme and gain to use for an activation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mcflow.cli.options import json_option
from mcflow.cli.values import WHOLE

if TYPE_CHECKING:
    from mcflow.answers.recommendation import Recommendation

EXAMPLE = """\b
Examples:
  mcflow recommend --activation gelu
  mcflow recommend --activation mymodule:phi,dphi
  mcflow recommend --dialects"""

_RANKS = {"bias std": 2, "trainable depth": 1}  # of columns that may go where there is no room


@click.command(epilog=EXAMPLE)
@click.option("--activation", metavar="NAME", help="An activation, or your own as module:phi,dphi.")
@click.option("--depth", type=WHOLE, default=50, metavar="N", help="Layers to keep the signal over [50].")
@click.option("--width", type=WHOLE, default=256, metavar="N", help="Units of each layer in the simulation [256].")
@click.option("--networks", type=WHOLE, default=200, metavar="N", help="Networks to simulate [200].")
@click.option("--dialects", is_flag=True, help="What torch, Keras and JAX draw under each name.")
@json_option
def command(activation: str | None, depth: int, width: int, networks: int, dialects: bool, as_json: bool) -> None:
    """Recommend scheme, gain and bias, with the evidence of theory and of a fresh simulation, and the code for it."""
    from mcflow.errors import InputError

    if activation is None and not dialects:
        raise InputError("name an activation, as in --activation gelu; or --dialects for what frameworks draw")
    from mcflow.cli import tables

    document: dict[str, Any] = {}
    if activation is not None:
        from mcflow.answers.recommendation import recommend

        found = recommend(activation, depth, width, networks)
        document |= found.record()
        if not as_json:
            _print(found)
    if dialects:
        document["dialects"] = _dialects(quiet=as_json)
    if as_json:
        tables.print_json(document)


def _print(found: Recommendation) -> None:
    from mcflow.cli import sheet, tables

    out = tables.console()
    out.print(found.sentence, markup=False, soft_wrap=True)
    for reason in found.reasons:
        out.print(f"  {reason}", markup=False, soft_wrap=True)
    sheet.show(out, _table(found))
    for framework, line in found.code.items():
        out.print(f"{framework}: {line}", markup=False, soft_wrap=True)


def _table(found: Recommendation) -> Any:
    from mcflow.answers.recommendation import COLUMNS
    from mcflow.cli.sheet import Column, Sheet

    table = Sheet(found.title, [Column(head, words=head == COLUMNS[0], rank=_RANKS.get(head, 0)) for head in COLUMNS])
    for cells in found.rows():
        table.add(*cells)
    return table


def _dialects(quiet: bool) -> list[dict[str, object]]:
    from mcflow.answers.frameworks import DIALECTS, FAN_IN, FAN_OUT
    from mcflow.cli import sheet, tables
    from mcflow.cli.sheet import Column, Sheet

    rows: list[dict[str, object]] = [
        {
            "framework": each.framework,
            "name": each.name,
            "draws": each.words,
            "variance": each.variance(FAN_IN, FAN_OUT),
            "measured": each.measured(),
            "mcflow": each.scheme or None,
        }
        for each in DIALECTS
    ]
    if not quiet:
        words = [Column("framework", words=True), Column("name", words=True), Column("draws", words=True, rank=2)]
        rest = [Column("variance"), Column("measured", rank=1), Column("in mcflow", words=True)]
        table = Sheet(f"variance of one weight, fan_in {FAN_IN}, fan_out {FAN_OUT}", words + rest)
        for row in rows:
            cells = [str(row[key]) for key in ("framework", "name", "draws")]
            table.add(*cells, f"{row['variance']:.6f}", f"{row['measured']:.6f}", str(row["mcflow"] or "none"))
        sheet.show(tables.console(), table)
    return rows
