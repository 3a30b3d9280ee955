"""``mcflow report``: one self-contained HTML page of a file."""

from __future__ import annotations

from pathlib import Path

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
    from mcflow.errors import InputError
    from mcflow.files.reading import open_study
    from mcflow.plots import style

    style.require_matplotlib()
    if output is not None and Path(output).suffix not in (".html", ".htm"):
        raise InputError(f"{output!r}: a page is named .html")
    from mcflow.pages.page import write

    opened = open_study(file)
    path = Path(file).with_suffix(".html") if output is None else Path(output)
    with opened.result as result:
        write(result, path, file, opened.note)
    print(path)
