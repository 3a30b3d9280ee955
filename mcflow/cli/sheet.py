"""Tables that fit where they are printed: a column or the frame may go for want of room, a number is never cut.

Tried in this order: the whole table in a frame; without it; with the groups of its first column as headings; less
columns, those of the highest rank first, which a line below it names; its rows as lines, a value each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich import box
from rich.cells import cell_len
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

_WIDEST = 10_000  # columns: room enough for any table
ESSENTIAL = 0  # the rank of a column that is never left out


@dataclass(frozen=True)
class Column:
    """A column: its head, whether it has words (left) or numbers (right), and its ``rank``: the highest goes first."""

    head: str
    words: bool = False
    rank: int = ESSENTIAL


@dataclass(frozen=True)
class _Row:
    cells: tuple[str, ...]
    is_bold: bool
    ends_section: bool


class Sheet:
    """Rows of text under heads. ``grouped``: the first column names a group, and is empty in its rows but the first."""

    def __init__(self, title: str, columns: Sequence[Column], *, grouped: bool = False) -> None:
        self.title, self.columns, self.grouped = title, tuple(columns), grouped
        self.rows: list[_Row] = []

    def add(self, *cells: str, bold: bool = False, end: bool = False) -> None:
        """One more row; ``end`` draws a line below it."""
        self.rows.append(_Row(cells, bold, end))

    def fitted(self, out: Console, width: int) -> Iterator[Table | Text]:
        """The sheet in at most ``width`` columns, as far as its longest single value lets it."""
        if self.title:
            yield Text(self.title, style="italic")
        everything = list(range(len(self.columns)))
        tables = [self._table(everything, framed=True), self._table(everything, framed=False)]
        chosen = next((table for table in tables if _natural(out, table) <= width), None)
        if chosen is not None:
            yield chosen
            return
        yield from self._narrow(out, width)

    def _narrow(self, out: Console, width: int) -> Iterator[Table | Text]:
        kept = list(range(int(self.grouped), len(self.columns)))
        left_out: list[int] = []
        while _natural(out, self._table(kept, framed=False)) > width:
            worst = max(kept, key=lambda place: (self.columns[place].rank, place))
            if self.columns[worst].rank == ESSENTIAL:
                yield from self._lines(width)
                return
            kept.remove(worst)
            left_out.append(worst)
        if self.grouped:
            for heading, rows in self._groups():
                yield Text(heading, style="bold")
                yield self._table(kept, framed=False, rows=rows, like=self.rows)
        else:
            yield self._table(kept, framed=False)
        if left_out:
            names = "; ".join(self.columns[place].head for place in sorted(left_out))
            yield Text(f"no room for {names}: widen the terminal, or give --json", style="dim")

    def _groups(self) -> Iterator[tuple[str, list[_Row]]]:
        rows: list[_Row] = []
        for row in self.rows:
            if row.cells[0] and rows:
                yield rows[0].cells[0], rows
                rows = []
            rows.append(row)
        if rows:
            yield rows[0].cells[0], rows

    def _lines(self, width: int) -> Iterator[Table | Text]:
        """Each row as lines: its first value, then the others under their heads."""
        longest = max(len(column.head) for column in self.columns[1:]) if len(self.columns) > 1 else 0
        heading = ""
        for row in self.rows:
            heading = row.cells[0] or heading
            yield Text(heading, style="bold", overflow="fold")
            for column, cell in zip(self.columns[1:], row.cells[1:], strict=True):
                if cell:
                    same_line = longest + 4 + len(cell) <= width
                    head = f"  {column.head:<{longest}}  " if same_line else f"  {column.head}\n    "
                    yield Text(head + cell, overflow="fold")

    def _table(
        self, kept: Sequence[int], *, framed: bool, rows: Sequence[_Row] | None = None, like: Sequence[_Row] = ()
    ) -> Table:
        """A table of the columns ``kept``; as wide as if it had the rows of ``like``."""
        table = Table(box=box.HEAVY_HEAD) if framed else Table(box=None, padding=(0, 1), pad_edge=False)
        for place in kept:
            column = self.columns[place]
            widest = max((cell_len(row.cells[place]) for row in like), default=0)
            table.add_column(
                Text(column.head),
                justify="left" if column.words else "right",
                no_wrap=True,
                min_width=max(widest, cell_len(column.head)),
            )
        for row in self.rows if rows is None else rows:
            cells = [Text(row.cells[place]) for place in kept]
            table.add_row(*cells, style="bold" if row.is_bold else None, end_section=row.ends_section)
        return table


def _natural(out: Console, table: Table) -> int:
    """How many columns a table takes where nothing limits it."""
    return Measurement.get(out, out.options.update(max_width=_WIDEST), table).maximum


def show(out: Console, sheet: Sheet) -> None:
    """Print a sheet: as wide as the terminal lets it, whole where stdout is none."""
    before = out.width
    width = before if out.file.isatty() else _WIDEST
    for part in sheet.fitted(out, width):
        if isinstance(part, Table):
            out.width = max(before, _natural(out, part))
            out.print(part, crop=False)
            out.width = before
        else:
            out.print(part, soft_wrap=True)
