"""HTML of what is shown: escaped text, lists and tables, for the page of a study and for notebooks."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

# Of a notebook's own colours, light or dark, nothing is changed: numbers stand under each other, names to the left.
_LEFT, _RIGHT = "text-align: left", "text-align: right; font-variant-numeric: tabular-nums"


def text(words: object) -> str:
    """``words`` with every sign that HTML reads as its own escaped."""
    return html.escape(str(words), quote=True)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], marked: Sequence[bool] = ()) -> str:
    """A table of plain cells; the rows that ``marked`` names have the class ``bad``."""
    top = "".join(f'<th scope="col">{text(cell)}</th>' for cell in head)
    body = ""
    for number, row in enumerate(rows):
        mark = ' class="bad"' if number < len(marked) and marked[number] else ""
        body += f"<tr{mark}>" + "".join(f"<td>{text(cell)}</td>" for cell in row) + "</tr>"
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def in_notebook(title: str, head: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> str:
    """A table under its title with its own look, for a notebook; the first ``words`` columns are no numbers."""
    looks = [_LEFT if place < words else _RIGHT for place in range(len(head))]

    def line(kind: str, cells: Sequence[str]) -> str:
        pairs = zip(cells, looks, strict=True)
        return "<tr>" + "".join(f'<{kind} style="{look}">{text(cell)}</{kind}>' for cell, look in pairs) + "</tr>"

    body = "".join(line("td", row) for row in rows)
    return (
        f'<table><caption style="{_LEFT}; caption-side: top">{text(title)}</caption>'
        f"<thead>{line('th', head)}</thead><tbody>{body}</tbody></table>"
    )


def lines(sentences: Iterable[str]) -> str:
    """A list of sentences; nothing where there is none."""
    items = "".join(f"<li>{text(sentence)}</li>" for sentence in sentences)
    return f"<ul>{items}</ul>" if items else ""


def in_terminal(title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A title over a table as plain text, its columns aligned: what a Python prompt shows."""
    cells = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(head))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells)
    return "\n".join([title, *lines])
