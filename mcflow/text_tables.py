"""Tables of numbers as text: .csv, .tsv, .txt, also compressed. Every rule is fixed, and what was decided is said.

A row with a number is data: what is wrong in it is refused by line and column, never taken for a header.
"""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import math
import re
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mcflow.errors import InputError

_LONGEST_LINE = 1 << 24  # characters; its fields as Python strings take thirty times as much memory
_LOOKED_AT = 10  # rows that say what separates columns
_QUOTED = re.compile(r'"[^"]*"')
# What begins as a number does, also where no reader takes it: thousands, dates, percents, amounts, complex numbers.
_NUMBER_LIKE = re.compile(
    r"[(+\-\u2212]?[$\u20ac\xa3]?[.,]?\d[\d .,_'eE+\-\u2212/:jJiTZ()%$\u20ac\xa3]*|0[xX][\da-fA-F]+"
)
_THOUSANDS = re.compile(r"[+-]?\d{1,3}([.,' _]\d{3})+([.,]\d+)?")
_UNNAMED = re.compile(r"(Unnamed: [\d.]+)?")  # pandas leaves the name of an index empty, and reads it back as this
_MISSING = {"", "na", "n/a", "#n/a", "nan", "null", "none", "nil", "?", "-", "."}
_NO_NAMES = _MISSING | {"inf", "+inf", "-inf", "infinity", "true", "false"}
_SEPARATORS = {"\t": "tabs", ";": "semicolons", ",": "commas", " ": "spaces"}


class Row(NamedTuple):
    """The fields of one line; lines count from one."""

    line: int
    fields: list[str]


@dataclass(frozen=True)
class Dialect:
    """How a table is written: the ``separator`` (empty for one column), and the line of its header or 0.

    ``names`` is how many columns the header names, ``skipped`` how many columns before the features are an index.
    """

    separator: str
    header: int = 0
    names: int = 0
    skipped: int = 0

    @property
    def may_have_decimal_commas(self) -> bool:
        return self.separator in (";", "\t")

    def said(self, decimal_commas: bool) -> str:
        """What was decided, in clauses."""
        words = [f"columns separated by {_SEPARATORS[self.separator]}" if self.separator else "one column"]
        if decimal_commas:
            words.append("decimal commas")
        words.append(f"line {self.header} taken as a header" if self.header else "no header")
        if self.skipped:
            words.append("the first column, an index, left out" if self.skipped == 1 else "index columns left out")
        return ", ".join(words)


def read(path: str, limit: int) -> tuple[NDArray[np.float64], str]:
    """The (rows, columns) numbers of a table, and how it was read.

    ``limit`` is the most entries that fit into memory. Raises InputError with line and column for what is no finite
    number, and for rows of unequal length, a table too large, or text that is none.
    """
    compressed = path.lower().endswith(".gz")
    if not compressed:
        _refuse_large(Path(path).stat().st_size, limit, path)
    try:
        with open(path, "rb") as plain, _opened(plain, compressed) as file:
            encoding = _encoding(file)
            text = io.TextIOWrapper(file, encoding=encoding, newline=None)
            return _read_lines(_lines(text, limit, path), path)
    except UnicodeDecodeError:
        raise InputError(f"cannot read {path!r}: it is no text in UTF-8; save the table as UTF-8") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"cannot read {path!r}: {error}; it is damaged, or not compressed by gzip") from None


def _opened(file: IO[bytes], compressed: bool) -> io.BufferedReader:
    return io.BufferedReader(gzip.GzipFile(fileobj=file)) if compressed else io.BufferedReader(file)  # type: ignore


def _encoding(file: io.BufferedReader) -> str:
    """UTF-8 with or without a mark at its start, or UTF-16 with one, as Excel writes its Unicode text."""
    return "utf-16" if file.peek(2)[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"


def _lines(text: io.TextIOWrapper, limit: int, path: str) -> Iterator[tuple[int, str]]:
    """Numbered lines but blank ones, without comments."""
    size = 0
    for number in itertools.count(1):
        line = text.readline(_LONGEST_LINE)
        size += len(line)
        if not line:
            return
        if len(line) == _LONGEST_LINE:
            raise InputError(f"{path!r}: line {number} is longer than {_LONGEST_LINE} characters; it is no table")
        _refuse_large(size, limit, path)  # again: what a compressed file unpacks to is seen only now
        line = _without_comment(line.rstrip("\n"))
        if line.strip():
            yield number, line


def _without_comment(line: str) -> str:
    place = line.find("#")
    while place >= 0:
        if line.count('"', 0, place) % 2 == 0:
            return line[:place]
        place = line.find("#", place + 1)
    return line


def _refuse_large(characters: int, limit: int, path: str) -> None:
    if characters // 2 > limit:  # a digit and a separator are the least an entry takes
        raise InputError(f"{path!r} with up to {characters // 2} entries does not fit into memory; give fewer rows")


def _read_lines(lines: Iterator[tuple[int, str]], path: str) -> tuple[NDArray[np.float64], str]:
    first = list(itertools.islice(lines, _LOOKED_AT))
    if not first:
        raise InputError(f"{path!r} is empty; a table has a row for each input")
    separator = "\t" if re.search(r"\.tsv(\.gz)?$", path.lower()) else _separator(first[-1][1])
    dialect = _dialect([_row(*line, separator, path) for line in first], separator)
    marks = _Marks()
    values, start, columns = array("d"), 0, 0
    for number, line in itertools.chain(first, lines):
        if number == dialect.header:
            continue
        row = _row(number, line, separator, path)
        if not start:
            start, columns = number, len(row.fields)
            _refuse_other_header(dialect, row, path)
        if len(row.fields) != columns:
            raise InputError(
                f"{path!r}: line {number} has {len(row.fields)} columns, line {start} has {columns}; "
                "every row must have as many"
            )
        if dialect.may_have_decimal_commas:
            marks.see(row, path)
        values.extend(_numbers(row, dialect, path))
    if not start:
        raise InputError(f"{path!r} has a header in line {dialect.header} and no rows; a row is an input")
    if columns == dialect.skipped:
        raise InputError(f"{path!r} has no columns but an index; give the features too")
    table = np.frombuffer(values, dtype=np.float64).reshape(-1, columns - dialect.skipped)
    return table, dialect.said(bool(marks.comma))


def _refuse_other_header(dialect: Dialect, row: Row, path: str) -> None:
    if dialect.header and len(row.fields) - dialect.names not in (0, 1):
        raise InputError(
            f"{path!r}: line {row.line} has {len(row.fields)} columns, the header in line {dialect.header} names "
            f"{dialect.names}; give each column one name"
        )


class _Marks:
    """Where a table first has a decimal comma and a decimal point: one that has both has marks between thousands."""

    def __init__(self) -> None:
        self.comma = self.point = 0

    def see(self, row: Row, path: str) -> None:
        text = ";".join(row.fields)
        self.comma = self.comma or ("," in text and row.line)
        self.point = self.point or ("." in text and row.line)
        if self.comma and self.point:
            raise InputError(
                f"{path!r}: line {self.comma} has a comma in a number and line {self.point} a point; "
                "write all with the same decimal mark, and none between thousands"
            )


def _separator(line: str) -> str:
    plain = _QUOTED.sub("", line).strip(" ")
    return next((mark for mark in _SEPARATORS if mark in plain), "")


def _row(number: int, line: str, separator: str, path: str) -> Row:
    if '"' not in line:
        fields = line.split(separator) if separator.strip(" ") else line.split() if separator else [line]
        return Row(number, [field.strip() for field in fields])
    text = line.strip(" ") if separator in ("", " ") else line
    try:
        fields = next(csv.reader([text], delimiter=separator or "\t", skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise InputError(f"{path!r}: line {number} is no row of a table ({error})") from None
    return Row(number, [field.strip() for field in fields])


def _dialect(rows: list[Row], separator: str) -> Dialect:
    """What the first rows say: a header is a first row of names, or of 0, 1, 2, ... above rows with decimal marks."""
    fields = rows[0].fields
    below = rows[1].fields if len(rows) > 1 else []
    has_numbers = any(_NUMBER_LIKE.fullmatch(field) for field in fields)
    has_names = any(field.lower() not in _NO_NAMES for field in fields)
    line, unnamed = 0, 0
    if has_names and not has_numbers:
        line = rows[0].line
        unnamed = sum(1 for _ in itertools.takewhile(_UNNAMED.fullmatch, fields))
        unnamed += len(below) == len(fields) + 1  # R leaves the name of row names out
    elif _counts(fields) and any(re.search(r"\d[.,]\d", field) for field in below):  # columns that pandas named
        line = rows[0].line
    elif fields[0] == "" and _counts(fields[1:]) and below[:1] == ["0"]:  # and rows too
        line, unnamed = rows[0].line, 1
    return Dialect(separator, line, len(fields) if line else 0, unnamed)


def _counts(fields: list[str]) -> bool:
    return len(fields) > 1 and fields == [str(place) for place in range(len(fields))]


def _numbers(row: Row, dialect: Dialect, path: str) -> list[float]:
    fields = row.fields[dialect.skipped :]
    if dialect.may_have_decimal_commas:
        fields = [field.replace(",", ".") for field in fields]
    try:
        numbers = list(map(float, fields))
        if "_" not in "".join(fields) and all(map(math.isfinite, numbers)):
            return numbers
    except ValueError:
        pass
    column = next(place for place, field in enumerate(fields) if not _is_finite(field)) + dialect.skipped
    raise InputError(
        f"{path!r}: line {row.line}, column {column + 1} {_what_is_wrong(row.fields[column])}; "
        "every entry must be a finite number"
    )


def _is_finite(field: str) -> bool:
    try:
        return "_" not in field and math.isfinite(float(field))
    except ValueError:
        return False


def _what_is_wrong(field: str) -> str:
    if not field:
        return "is empty"
    shown = repr(field if len(field) <= 40 else field[:37] + "...")
    if _THOUSANDS.fullmatch(field):
        return f"is {shown}, a number with marks between thousands, which must be left out"
    return f"is {shown}"
