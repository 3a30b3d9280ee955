"""Tables as text: no row is lost, nothing is guessed in silence, and what is wrong is named by line and column."""

import gzip

import numpy as np
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcflow import machine
from mcflow.errors import InputError
from mcflow.inputs.text_tables import read
from mcflow.inputs.user_files import read as read_file

ROOM = 1 << 30
WRITTEN = [[1.5, -2e-3, 3.0], [4.0, 5.25, 6e7]]


@pytest.fixture
def table(tmp_path):
    def write(content, name="a.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        ("1.5,-2e-3,3\n4,5.25,6e7\n", "a.csv", "commas, no header"),
        ("1.5, -2e-3, 3\r\n4, 5.25, 6e7\r\n\r\n \r\n", "a.csv", "commas, no header"),
        ("1.5,-2e-3,3\r4,5.25,6e7", "a.csv", "commas, no header"),
        ("\ufeff1.5,-2e-3,3\n4,5.25,6e7\n", "a.csv", "commas, no header"),
        ('"1.5","-2e-3","3"\n"4","5.25","6e7"\n', "a.csv", "commas, no header"),
        ("1.5;-2e-3;3\n4;5.25;6e7\n", "a.csv", "semicolons, no header"),
        ("1,5;-2e-3;3\n4;5,25;6e7\n", "a.csv", "semicolons, decimal commas, no header"),
        ("1,5\t-2e-3\t3\n4\t5,25\t6e7\n", "a.tsv", "tabs, decimal commas, no header"),
        ("1.5\t-2e-3\t3\n4\t5.25\t6e7\n", "a.txt", "tabs, no header"),
        ("  1.5 -2e-3   3\n  4  5.25 6e7 \n", "a.txt", "spaces, no header"),
        ("# what this is, in words\n1.5,-2e-3,3 # the first\n\n4,5.25,6e7\n", "a.csv", "commas, no header"),
        ("x,y,z\n1.5,-2e-3,3\n4,5.25,6e7\n", "a.csv", "line 1 taken as a header"),
        ('\n# made by hand\n"a, b";"c#d";NA\n1.5;-2e-3;3\n4;5.25;6e7\n', "a.csv", "line 3 taken as a header"),
        (
            ",x,y,z\n0,1.5,-2e-3,3\n1,4,5.25,6e7\n",
            "a.csv",
            "line 1 taken as a header, the first column, an index, left",
        ),
        (
            ",0,1,2\n0,1.5,-2e-3,3\n1,4,5.25,6e7\n",
            "a.csv",
            "line 1 taken as a header, the first column, an index, left",
        ),
        ("Unnamed: 0.1,Unnamed: 0,x,y,z\n0,0,1.5,-2e-3,3\n1,1,4,5.25,6e7\n", "a.csv", "index columns left out"),
        (
            ";x;y;z\na.b;1,5;-2e-3;3\nc.d;4;5,25;6e7\n",
            "a.csv",
            "decimal commas, line 1 taken as a header, the first column",
        ),
        ('"x" "y" "z"\n"1" 1.5 -2e-3 3\n"2" 4 5.25 6e7\n', "a.txt", "the first column, an index, left out"),
        ('"x" "y" "z"\n"r1" 1.5 -2e-3 3\n"r2" 4 5.25 6e7\n', "a.txt", "the first column, an index, left out"),
    ],
)
def test_a_table_is_read_as_it_was_meant_and_it_is_said_how(table, content, name, said):
    values, note = read(table(content, name), ROOM)
    assert values.tolist() == WRITTEN
    assert said in note
    packed, same = read(table(gzip.compress(content.encode()), f"{name}.gz"), ROOM)
    assert (packed.tolist(), same) == (WRITTEN, note)


def test_one_column_and_utf_16(table):
    assert read(table("1\n2\n"), ROOM)[0].tolist() == [[1], [2]]
    assert read(table("x y\n1\n2\n"), ROOM)[0].tolist() == [[1], [2]]
    assert read(table("1\t2\n3\t4\n".encode("utf-16")), ROOM)[0].tolist() == [[1, 2], [3, 4]]
    assert read(table("0,1,2\n3,4,5\n"), ROOM)[0].tolist() == [[0, 1, 2], [3, 4, 5]]  # whole numbers: may be data
    assert read(table(f"{2**53 + 1},1\n"), ROOM)[0].tolist() == [[2**53, 1]]  # the nearest there is


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("1,,3\n4,5,6\n", "line 1, column 2 is empty"),
        ("NA,2,3\n4,5,6\n", "line 1, column 1 is 'NA'"),
        ("?,2,3\n4,5,6\n", "line 1, column 1 is '?'"),
        ("?,?,?\n4,5,6\n", "line 1, column 1 is '?'"),
        (",,\n4,5,6\n", "line 1, column 1 is empty"),
        ("a,2,3\n4,5,6\n", "line 1, column 1 is 'a'"),
        ("x,y\r\n\r\n1,2\r\n3,nan\r\n", "line 4, column 2 is 'nan'"),
        (",x,y\n0,1,2\n1,3,oops\n", "line 3, column 3 is 'oops'"),
        ("1,inf\n", "line 1, column 2 is 'inf'"),
        ("1,1e999\n", "line 1, column 2 is '1e999'"),
        ("True,False\n1,0\n", "line 1, column 1 is 'True'"),
        ("2020-01-01,2020-02-01\n1,2\n", "line 1, column 1 is '2020-01-01'"),
        ("day,x\n2020-01-01,2\n", "line 2, column 1 is '2020-01-01'"),
        ("$5,$6\n1,2\n", r"line 1, column 1 is '\$5'"),
        ("5 %,6 %\n1,2\n", "line 1, column 1 is '5 %'"),
        ("1_000,2_000\n3,4\n", "line 1, column 1 is '1_000', a number with marks between thousands"),
        ('"1,234.5",2\n', "line 1, column 1 is '1,234.5', a number with marks between thousands"),
        ("1.234,5;2\n", "line 1 has a comma in a number and line 1 a point"),
        ("1,5;2\n3;2.5\n", "line 1 has a comma in a number and line 2 a point"),
        ("5.1,3.5,setosa\n", "line 1, column 3 is 'setosa'"),
        ("1,2,3\n4,5\n", "line 2 has 2 columns, line 1 has 3"),
        ("1,2,3\n\n4,5,6,7\n", "line 3 has 4 columns, line 1 has 3"),
        ("1,2,\n4,5,\n", "line 1, column 3 is empty"),
        ("1\t2\n\t\n", "line 2, column 1 is empty"),
        ("1;2.5\n" * 3 + "1;2,5\n", "line 4 has a comma in a number and line 1 a point"),
        ("x,y\n1,2,3,4\n", "line 2 has 4 columns, the header in line 1 names 2"),
        ("x,y,z\n1,2\n", "line 2 has 2 columns, the header in line 1 names 3"),
        ("x,y,z\n", "has a header in line 1 and no rows"),
        (",\nx,5\n", "line 1, column 1 is empty"),
        ("0,1,2\n1.5,2,3\n", "line 1 counts 0, 1, 2, .*header=False"),
        (",x,y\n0.5,1,2\n", "column 1 has no name in the header in line 1"),
        ("title\n1,2\n3,4\n", "line 2 has 2 columns, the header in line 1 names 1"),
        ("title\n1 2\n3 4\n", "line 2 has 2 columns, the header in line 1 names 1"),
        ("", "is empty"),
        ("\n \n# nothing\n", "is empty"),
        ('x,"y\nz"\n1,2\n', "line 1 is no row of a table"),
        (b"\xff\xff,1\n", "no text in UTF-8"),
        ("\0,1\n", "line 1, column 1 is"),
    ],
)
def test_what_is_wrong_is_named_by_line_and_column(table, content, place):
    with pytest.raises(InputError, match=place) as caught:
        read(table(content), ROOM)
    assert "\n" not in str(caught.value)


FLOATS = st.floats(-1e30, 1e30, allow_subnormal=False)
SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 5))


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_what_pandas_writes_comes_back_bit_for_bit_and_a_bad_entry_is_found(tmp_path_factory, data):
    rows, columns = data.draw(SHAPES)
    values = np.array(data.draw(st.lists(FLOATS, min_size=rows * columns, max_size=rows * columns)))
    values = values.reshape(rows, columns)
    separator = data.draw(st.sampled_from([",", ";", "\t"]))
    header, index = data.draw(st.booleans()), data.draw(st.booleans())
    frame = pandas.DataFrame(values, columns=[f"f{i}" for i in range(columns)])
    path = tmp_path_factory.mktemp("table") / data.draw(st.sampled_from(["a.csv", "a.txt.gz"]))
    how = {
        "sep": separator,
        "decimal": "," if separator != "," and data.draw(st.booleans()) else ".",
        "header": header,
        "index": index and header,
        "lineterminator": data.draw(st.sampled_from(["\n", "\r\n"])),
        "encoding": data.draw(st.sampled_from(["utf-8", "utf-8-sig"])),
        "quoting": data.draw(st.sampled_from([0, 1])),
    }
    frame.to_csv(path, **how)
    if columns == 1 and not how["index"] and how["decimal"] == ",":
        return  # one column of decimal commas is two of whole numbers
    np.testing.assert_array_equal(read(str(path), ROOM)[0], values)
    row, column = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, columns - 1))
    if (header, row, columns) == (False, 0, 1):
        return  # a first row of one word is a header
    frame = frame.astype(object)
    frame.iloc[row, column] = data.draw(st.sampled_from(["oops", "nan", "?", "1e999", "x1", "12:30"]))
    frame.to_csv(path, **how)
    with pytest.raises(InputError, match=f"line {row + 1 + header}, column {column + 1 + how['index']} "):
        read(str(path), ROOM)


def test_what_is_too_large_or_no_table_is_refused_before_it_is_read(tmp_path, monkeypatch, table):
    path = tmp_path / "a.csv"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # takes no room on the disk
    with pytest.raises(InputError, match="does not fit into memory"):
        read_file(str(path), 1)
    monkeypatch.setattr(machine, "available_memory", lambda: 1 << 50)
    with pytest.raises(InputError, match="line 1 is longer than"):
        read_file(str(path), 1)
    bomb = gzip.compress(b"1,2\n" * (1 << 13))
    with pytest.raises(InputError, match="does not fit into memory"):
        read(table(bomb, "a.csv.gz"), 1 << 12)
    for damaged in (b"1,2\n", bomb[:-30], bomb[:50] + b"xyz" + bomb[53:]):
        with pytest.raises(InputError, match="not compressed by gzip"):
            read(table(damaged, "a.csv.gz"), ROOM)


def test_a_bad_first_row_of_a_large_table_is_refused_without_reading_it(table, monkeypatch):
    path = table("1,,3\n" + "4,5,6\n" * 1000)
    monkeypatch.setattr("mcflow.inputs.text_tables._numbers", counted := Counted())
    with pytest.raises(InputError, match="line 1, column 2"):
        read(path, ROOM)
    assert counted.calls == 1


class Counted:
    """The numbers of a row, counting how often they are asked for."""

    def __init__(self):
        from mcflow.inputs import text_tables

        self.calls, self.real = 0, text_tables._numbers

    def __call__(self, *arguments):
        self.calls += 1
        return self.real(*arguments)
