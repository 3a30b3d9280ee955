"""``mcflow export``: a tidy table of a file."""

from __future__ import annotations

import click

EXAMPLE = """\b
Examples:
  mcflow export runs/relu.h5 -o relu.csv
  mcflow export runs/relu.h5 -o relu.parquet
  mcflow export runs/relu.h5 --summary -o summary.csv"""


@click.command(epilog=EXAMPLE)
@click.argument("file")
@click.option("-o", "--output", required=True, metavar="TABLE", help="A .csv or a .parquet file.")
@click.option("--summary", is_flag=True, help="Statistics over networks instead of every network.")
@click.option("--overwrite", is_flag=True, help="Replace an existing table.")
def command(file: str, output: str, summary: bool, overwrite: bool) -> None:
    """Write FILE as one tidy table: case, network, layer, quantity, value."""
    import sys

    from mcflow.answers.table import export
    from mcflow.files.reading import open_study
    from mcflow.plural import counted

    opened = open_study(file)
    if opened.note:
        print(opened.note, file=sys.stderr)
    with opened.result as result:
        count = export(result, output, summary=summary, overwrite=overwrite)
    print(f"{output}: {counted(count, 'row')}")
