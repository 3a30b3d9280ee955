"""``mcflow recommend``: the scheme and gain to use for an activation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mcflow.cli.options import json_option

if TYPE_CHECKING:
    from mcflow.answers.recommendation import Recommendation

EXAMPLE = """\b
Examples:
  mcflow recommend --activation gelu
  mcflow recommend --activation mymodule:phi,dphi
  mcflow recommend --dialects"""


@click.command(epilog=EXAMPLE)
@click.option("--activation", metavar="NAME", help="An activation, or your own as module:phi,dphi.")
@click.option("--depth", type=int, default=50, metavar="N", help="Layers to keep the signal over [50].")
@click.option("--width", type=int, default=256, metavar="N", help="Units of each layer in the simulation [256].")
@click.option("--networks", type=int, default=200, metavar="N", help="Networks to simulate [200].")
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
    from mcflow.cli import tables

    out = tables.console()
    out.width = max(out.width, 128)
    out.print(found.sentence, markup=False, soft_wrap=True)
    for reason in found.reasons:
        out.print(f"  {reason}", markup=False, soft_wrap=True)
    tables.show(out, _table(found))
    for framework, line in found.code.items():
        out.print(f"{framework}: {line}", markup=False, soft_wrap=True)


def _table(found: Recommendation) -> Any:
    from rich.table import Table

    from mcflow.answers.recommendation import COLUMNS

    table = Table(title=found.title, title_justify="left")
    for place, column in enumerate(COLUMNS):
        table.add_column(column, justify="right" if place else "left", no_wrap=True)
    for cells in found.rows():
        table.add_row(*cells)
    return table


def _dialects(quiet: bool) -> list[dict[str, object]]:
    from rich.table import Table

    from mcflow.answers.frameworks import DIALECTS, FAN_IN, FAN_OUT
    from mcflow.cli import tables

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
        table = Table(title=f"variance of one weight, fan_in {FAN_IN}, fan_out {FAN_OUT}", title_justify="left")
        for column in ("framework", "name", "draws", "variance", "measured", "in mcflow"):
            table.add_column(column)
        for row in rows:
            cells = [str(row[key]) for key in ("framework", "name", "draws")]
            table.add_row(*cells, f"{row['variance']:.6f}", f"{row['measured']:.6f}", str(row["mcflow"] or "none"))
        out = tables.console()
        out.width = max(out.width, 128)
        tables.show(out, table)
    return rows
