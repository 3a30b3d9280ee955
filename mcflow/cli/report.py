"""``mcflow report``: one self-contained HTML page of a file."""

from __future__ import annotations

import click

EXAMPLE = """\b
Examples:
  mcflow report runs/study.h5
  mcflow report runs/study.h5 -o page.html"""


@click.command(epilog=EXAMPLE)
@click.argument("file")
@click.option("-o", "--output", metavar="PAGE", help="The page [default: FILE with .html].")
def command(file: str, output: str | None) -> None:
    """Write one HTML page of FILE: verdicts, pictures, tables, configuration, how to repeat it. It needs no network."""
    from mcflow.cli import progress_line
    from mcflow.pages.page import report

    with progress_line.shown() as show:
        page = report(file, output, tell=show)
    print(page)
