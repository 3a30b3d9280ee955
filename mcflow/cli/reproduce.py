"""``mcflow reproduce``: classic results of the field, simulated again and judged."""

from __future__ import annotations

import click

from mcflow.cli.options import json_option

EXAMPLE = """\b
Examples:
  mcflow reproduce
  mcflow reproduce he_2015
  mcflow reproduce poole_2016 -o runs/poole_2016"""


@click.command(epilog=EXAMPLE)
@click.argument("figure", required=False)
@click.option("-o", "--output", metavar="FOLDER", help="Where study, picture and README go [default: nowhere].")
@json_option
def command(figure: str | None, output: str | None, as_json: bool) -> int:
    """Run FIGURE again and say whether it is reproduced; without a name, list what there is. Exit code 1: it is not."""
    from mcflow.cli import tables
    from mcflow.errors import InputError
    from mcflow.reproductions.reproduction import FIGURES, reproduce

    if figure is None:
        if output is not None:
            raise InputError(f"-o {output}: name the figure to reproduce there; mcflow reproduce lists them")
        if as_json:
            tables.print_json(FIGURES)
        else:
            longest = max(map(len, FIGURES))
            for name, title in FIGURES.items():
                print(f"{name:<{longest}}  {title}")
        return 0
    found = reproduce(figure, draw=output is not None, folder=output)
    if as_json:
        tables.print_json(found.record())
    else:
        print(found.title)
        for claim in found.claims:
            print(f"  {claim.sentence()}")
        print("reproduced" if found.reproduced else "not reproduced" + (f"; {output}" if output else ""))
    return 0 if found.reproduced else 1
