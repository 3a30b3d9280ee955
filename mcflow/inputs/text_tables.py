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

_LONGEST_LINE = 1 << 24  # characters; less where memory is short: fields as Python strings take 30 times as much
_LOOKED_AT = 10  # rows, the last of which says what separates columns
_CHUNK = 1 << 20  # characters of the lines that are read together
_DECIDE = 3  # rows that say whether there is a header and an index
_QUOTED = re.compile(r'"[^"]*"')
# What begins as a number does, also where no reader takes it: thousands, dates, percents, amounts, complex numbers.
_NUMBER_LIKE = re.compile(
    r"[(+\-\u2212]?[$\u20ac\xa3]?[.,]?\d[\d .,_'eE+\-\u2212/:jJiTZ()%$\u20ac\xa3]*|0[xX][\da-fA-F]+"
)
_HAS_DECIMALS = re.compile(r"[+-]?\d*[.,]\d+([eE][+-]?\d+)?|[+-]?\d+[eE][+-]?\d+")
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

    ``columns`` is how many there are by the header, ``skipped`` how many of them, before the features, are an index.
    """

    separator: str
    header: int = 0
    columns: int = 0
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
    size, longest = 0, min(_LONGEST_LINE, limit // 16)
    for number in itertools.count(1):
        line = text.readline(longest)
        size += len(line)
        if not line:
            return
        if len(line) == longest:
            raise InputError(f"{path!r}: line {number} is longer than {longest} characters; it is no table")
        _refuse_large(size, limit, path)  # again: what a compressed file unpacks to is seen only now
        line = _without_comment(line.rstrip("\n"))
        if line.strip(" \f\v"):  # a line of tabs is a row whose entries are missing
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
    dialect = _dialect([_row(*line, separator, path) for line in first[:_DECIDE]], separator, path)
    content = (pair for pair in itertools.chain(first, lines) if pair[0] != dialect.header)
    table = _Table(path, dialect)
    for chunk in _chunks(content):
        table.add(chunk)
    if not table.start:
        raise InputError(f"{path!r} has a header in line {dialect.header} and no rows; a row is an input")
    if table.columns == dialect.skipped:
        raise InputError(f"{path!r} has no columns but an index; give the features too")
    return np.frombuffer(table.values).reshape(-1, table.columns - dialect.skipped), dialect.said(bool(table.comma))


def _chunks(lines: Iterator[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    chunk, size = [], 0
    for pair in lines:
        chunk.append(pair)
        size += len(pair[1])
        if size > _CHUNK:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


class _Table:
    """The numbers so far. NumPy reads the plain lines of a chunk at once; one by one they name what is wrong.

    ``start`` is the line of the first row, ``comma`` and ``point`` those that first have the decimal mark.
    """

    def __init__(self, path: str, dialect: Dialect) -> None:
        self.path, self.dialect = path, dialect
        self.values = array("d")
        self.start = self.columns = self.comma = self.point = 0

    def add(self, chunk: list[tuple[int, str]]) -> None:
        if not self.start:
            row = _row(*chunk[0], self.dialect.separator, self.path)
            self.start, self.columns = row.line, len(row.fields)
            _refuse_other_header(self.dialect, row, self.path)
        block = self._plain([line for _, line in chunk])
        if block is not None:
            self.values.frombytes(block.tobytes())
            return
        for number, line in chunk:
            self._add_row(_row(number, line, self.dialect.separator, self.path))

    def _plain(self, lines: list[str]) -> NDArray[np.float64] | None:
        """(line, column) numbers; None where there are quotes, an index or decimal commas, or anything is wrong."""
        odd = '"_,' if self.dialect.may_have_decimal_commas else '"_'
        if self.dialect.skipped or any(mark in line for mark in odd for line in lines):
            return None
        try:
            block = np.loadtxt(lines, delimiter=self.dialect.separator.strip(" ") or None, comments=None, ndmin=2)
        except ValueError:
            return None
        return block if block.shape == (len(lines), self.columns) and np.isfinite(block).all() else None

    def _add_row(self, row: Row) -> None:
        if len(row.fields) != self.columns:
            raise InputError(
                f"{self.path!r}: line {row.line} has {len(row.fields)} columns, line {self.start} has {self.columns}; "
                "every row must have as many"
            )
        if self.dialect.may_have_decimal_commas:
            self._see_marks(row)
        self.values.extend(_numbers(row, self.dialect, self.path))

    def _see_marks(self, row: Row) -> None:
        text = ";".join(row.fields[self.dialect.skipped :])
        self.comma = self.comma or ("," in text and row.line)
        self.point = self.point or ("." in text and row.line)
        if self.comma and self.point:
            raise InputError(
                f"{self.path!r}: line {self.comma} has a comma in a number and line {self.point} a point; "
                "write all with the same decimal mark, and none between thousands"
            )


def _refuse_other_header(dialect: Dialect, row: Row, path: str) -> None:
    if dialect.header and len(row.fields) != dialect.columns:
        raise InputError(
            f"{path!r}: line {row.line} has {len(row.fields)} columns, the header in line {dialect.header} names "
            f"{dialect.columns}; give each column one name"
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


def _dialect(rows: list[Row], separator: str, path: str) -> Dialect:
    """What the first rows say: a first row of names is a header, and columns without a name are an index."""
    (line, fields), below = rows[0], [row.fields for row in rows[1:]]
    if fields[0] == "" and _counts(fields[1:], 0) and below and below[0][0] == "0":  # pandas numbered columns and rows
        return Dialect(separator, line, len(fields), 1)
    if _counts(fields, 0) and any(map(_HAS_DECIMALS.fullmatch, itertools.chain(*below))):
        raise InputError(
            f"{path!r}: line {line} counts 0, 1, 2, ...: leave it out if it is a header (in pandas header=False), "
            "or write it with decimal points if these are numbers"
        )
    has_numbers = any(map(_NUMBER_LIKE.fullmatch, fields))
    has_names = any(field.lower() not in _NO_NAMES for field in fields)
    if has_numbers or not has_names:
        return Dialect(separator)
    if below and len(below[0]) == len(fields) + 1 and _are_row_names([row[0] for row in below]):
        return Dialect(separator, line, len(fields) + 1, 1)  # R leaves the name of row names out
    unnamed = sum(1 for _ in itertools.takewhile(_UNNAMED.fullmatch, fields))
    if any(map(_HAS_DECIMALS.fullmatch, itertools.chain(*(row[:unnamed] for row in below)))):
        raise InputError(
            f"{path!r}: column 1 has no name in the header in line {line}, as an index has, but numbers with decimals; "
            "name it, or leave it out"
        )
    return Dialect(separator, line, len(fields), unnamed)


def _counts(fields: list[str], start: int) -> bool:
    return len(fields) > 1 and fields == [str(place) for place in range(start, start + len(fields))]


def _are_row_names(column: list[str]) -> bool:
    return _counts(column, 1) or not any(map(_NUMBER_LIKE.fullmatch, column))


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
