"""Tables at any width: every number whole, or its column named as left out."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from mcflow.cli import sheet
from mcflow.cli.sheet import Column, Sheet

COLUMNS = (
    Column("case", words=True),
    Column("layer"),
    Column("activations x", words=True),
    Column("gradients d", words=True),
    Column("tier", words=True, rank=2),
    Column("p (Holm)", rank=1),
)
CASES = ("kaiming_normal-leaky_relu:0.2", "xavier_normal-tanh")
LAYERS = (1, 30)
X, D, TIER, P = "1.003 ± 0.012 | 1", "0.00000123 ± 1.3e-07 | 0.0000012", "first-order, exact-law", "0.00072 FAILS"


def grouped():
    found = Sheet("second moments", COLUMNS, grouped=True)
    for case in CASES:
        for layer in LAYERS:
            found.add(case if layer == 1 else "", str(layer), X, D, TIER, P, end=layer == LAYERS[-1])
    return found


class Terminal(io.StringIO):
    def isatty(self):
        return True


def printed(found, width, stream=Terminal):
    out = Console(file=stream(), width=width, highlight=False, no_color=True, force_terminal=False)
    sheet.show(out, found)
    return out.file.getvalue()


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 140])
def test_every_value_is_whole_or_its_column_is_named(width):
    text = printed(grouped(), width)
    left_out = "".join(re.findall("no room for (.*): widen", text)).split("; ")
    for column, value in zip(COLUMNS[2:], (X, D, TIER, P), strict=True):
        expected = 0 if column.head in left_out else len(CASES) * len(LAYERS)
        # a value longer than the terminal is folded by it, and by nobody before
        found = text if len(value) <= width else re.sub(r"\n(?=\S)", "", text)
        assert found.count(value) == expected, (column.head, text)
    for case in CASES:
        assert case in text
    assert "…" not in text
    assert not {"case", "layer", "activations x", "gradients d"} & set(left_out)


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_no_line_is_wider_than_the_terminal(width):
    table = [line for line in printed(grouped(), width).splitlines() if not line.startswith("no room for")]
    assert max(map(len, table)) <= width


def test_columns_go_by_rank_and_the_frame_before_them():
    framed, unframed, narrow = (printed(grouped(), width) for width in (170, 135, 80))
    assert "┃" in framed
    assert "┃" not in unframed
    assert "no room" not in unframed
    assert "no room for tier: widen" in narrow
    assert P in narrow


def test_a_pipe_has_the_whole_table():
    text = printed(grouped(), 60, io.StringIO)
    assert "┃" in text
    assert all(text.count(value) == 4 for value in (X, D, TIER, P))


def test_rows_of_a_group_stand_under_its_name():
    lines = printed(grouped(), 80).splitlines()
    places = [lines.index(case) for case in CASES]
    assert [lines[place + 2].split()[0] for place in places] == ["1", "1"]


def test_what_looks_like_markup_is_printed_as_it_is():
    found = Sheet("", [Column("case", words=True), Column("n")])
    found.add("[bold]mine[/bold]", "1")
    assert "[bold]mine[/bold]" in printed(found, 80)
