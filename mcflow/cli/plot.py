"""``mcflow plot``: pictures of a file."""

from __future__ import annotations

from pathlib import Path

import click

EXAMPLE = """\b
Examples:
  mcflow plot runs/study.h5
  mcflow plot runs/study.h5 --figure flow --figure law -o pictures/ --format svg
  mcflow plot runs/study.h5 --figure flow -o flow.pdf"""


@click.command(epilog=EXAMPLE)
@click.argument("file")
@click.option("--figure", "figures", multiple=True, metavar="NAME", help="flow, histograms, correlation, zscores, ...")
@click.option("-o", "--output", metavar="PATH", help="A folder, or a file for one figure [default: beside FILE].")
@click.option("--format", "kind", default="png", metavar="KIND", help="png (default), svg or pdf.")
def command(file: str, figures: tuple[str, ...], output: str | None, kind: str) -> None:
    """Draw FILE: flow, histograms, correlation, participation, zscores, law, phase; all it can fill, or those named."""
    import sys

    from mcflow import plots
    from mcflow.answers.subject import Subject
    from mcflow.cli import progress_line
    from mcflow.errors import InputError, nearest
    from mcflow.files.missing import no_networks, without_networks
    from mcflow.files.reading import open_study

    if kind not in plots.FORMATS:
        raise InputError(f"unknown format {kind!r}; {nearest(kind, plots.FORMATS)}")
    for name in figures:
        if name not in plots.FIGURES:
            raise InputError(f"unknown figure {name!r}; {nearest(name, plots.FIGURES)}")
    one = output is not None and Path(output).suffix.removeprefix(".") in plots.FORMATS
    if one and len(figures) != 1:
        raise InputError(f"{output} is one picture; name one --figure for it, or give a folder")
    opened = open_study(file)
    stem = Path(file).with_suffix("")
    folder = stem.parent if output is None else Path(output)
    if opened.note:
        print(opened.note, file=sys.stderr)
    with opened.result as result, progress_line.shown() as show:
        subject = Subject(result, show)
        empty = without_networks(subject)
        if empty:
            print(f"left out: {no_networks(empty)}", file=sys.stderr)
        for name in figures or plots.FIGURES:
            path = Path(str(output)) if one else folder / f"{stem.name}-{name}.{kind}"
            try:
                drawn = plots.draw(subject, name)
            except plots.NothingToDraw as reason:
                if figures:
                    raise
                show("")
                print(f"{name}: {reason}", file=sys.stderr)
                continue
            plots.save(drawn, path)
            show("")
            print(path)
