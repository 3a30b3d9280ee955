"""``mcflow plot``: pictures of a file."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from pathlib import Path

import click

from mcflow.bounds import real_number
from mcflow.cli.values import Named

EXAMPLE = """\b
Examples:
  mcflow plot runs/study.h5
  mcflow plot runs/study.h5 --figure flow --figure law -o pictures/ --format svg
  mcflow plot runs/study.h5 --figure flow -o flow.pdf
  mcflow plot runs/study.h5 --case '*-relu' --style slides --title 'ReLU'"""


def _figures() -> list[str]:
    from mcflow import plots

    return list(plots.FIGURES)


def _inches(size: str | None) -> tuple[float, float] | None:
    from mcflow.errors import InputError

    if size is None:
        return None
    try:
        width, height = (float(word) for word in size.replace("x", ",").split(","))
    except ValueError:
        raise InputError(f"--size {size}: give width and height in inches, as in --size 8,4") from None
    if not (1.0 <= width <= 100.0 and 1.0 <= height <= 100.0):
        raise InputError(f"--size {size} is out of range; each must be between 1 and 100 inches")
    return width, height


def _chosen(names: Sequence[str], wanted: tuple[str, ...]) -> list[str] | None:
    """The cases that are asked for, in the study's order; None for all. InputError for a name that none has."""
    from mcflow.errors import UnknownCase, nearest

    if not wanted:
        return None
    for pattern in wanted:
        if not any(fnmatch.fnmatchcase(name, pattern) for name in names):
            raise UnknownCase(f"no case {pattern!r} in this study; {nearest(pattern, names)}")
    return [name for name in names if any(fnmatch.fnmatchcase(name, pattern) for pattern in wanted)]


@click.command(epilog=EXAMPLE)
@click.argument("file")
@click.option(
    "--figure", "figures", multiple=True, type=Named(_figures), metavar="NAME", help="mcflow list figures has them."
)
@click.option("-o", "--output", metavar="PATH", help="A folder, or a file for one figure [default: beside FILE].")
@click.option(
    "--case", "cases", multiple=True, metavar="NAME", help="These cases alone; repeatable, or with * for any."
)
@click.option("--title", metavar="TEXT", help="A title above the picture.")
@click.option("--size", metavar="W,H", help="Inches of the picture.")
@click.option("--dpi", type=float, metavar="N", help="Points an inch of a png [default: 110].")
@click.option("--style", "look", default="paper", metavar="LOOK", help="paper (default), or slides: larger type.")
@click.option("--format", "kind", default="png", metavar="KIND", help="png (default), svg or pdf.")
def command(
    file: str,
    figures: tuple[str, ...],
    output: str | None,
    cases: tuple[str, ...],
    title: str | None,
    size: str | None,
    dpi: float | None,
    look: str,
    kind: str,
) -> None:
    """Draw FILE: flow, histograms, correlation, participation, zscores, law, phase; all it can fill, or those named."""
    import sys

    from mcflow import plots
    from mcflow.answers.subject import Subject
    from mcflow.cli import progress_line
    from mcflow.errors import InputError, nearest
    from mcflow.files.missing import no_networks, without_networks
    from mcflow.files.reading import open_study
    from mcflow.plots import style

    inches = _inches(size)
    if dpi is not None:
        dpi = real_number("--dpi", dpi, 10, 2000)
    if look not in style.LOOKS:
        raise InputError(f"unknown style {look!r}; {nearest(look, style.LOOKS)}")
    if kind not in plots.FORMATS:
        raise InputError(f"unknown format {kind!r}; {nearest(kind, plots.FORMATS)}")
    for name in figures:
        if name not in plots.FIGURES:
            raise InputError(f"unknown figure {name!r}; {nearest(name, plots.FIGURES)}")
    if output is not None and not Path(output).is_dir() and Path(output).suffix.lower()[1:] not in ("", *plots.FORMATS):
        raise InputError(f"-o {output}: unknown kind of picture; name it .png, .svg or .pdf, or give a folder")
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
        names = _chosen(subject.names, cases)
        empty = without_networks(subject)
        if empty:
            print(f"left out: {no_networks(empty)}", file=sys.stderr)
        for name in figures or plots.FIGURES:
            path = Path(str(output)) if one else folder / f"{stem.name}-{name}.{kind}"
            try:
                with style.look(look):
                    drawn = plots.draw(subject, name, names)
                    style.adapt(drawn, title, inches)
            except plots.NothingToDraw as reason:
                if figures:
                    raise
                show("")
                print(f"{name}: {reason}", file=sys.stderr)
                continue
            with style.look(look):
                plots.save(drawn, path, dpi)
            show("")
            print(path)
