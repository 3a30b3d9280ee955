"""A study as one tidy table, case, network, layer, quantity, value: CSV a block of rows at a time, or Parquet.

Where a value of the study has left float64 the table has one column more, ``log2``: the logarithm to base 2 of the size
of such a value (0 or infinite in ``value``), and nothing in all other rows.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mcflow.errors import InputError, as_path, option
from mcflow.files.atomic import TEMPORARY, behind_links
from mcflow.files.result import require_result
from mcflow.files.schema import STATISTICS
from mcflow.quantities import NAMES
from mcflow.statistics import magnitudes
from mcflow.statistics.magnitudes import Floats

if TYPE_CHECKING:
    import xarray

    from mcflow.files.result import Result

COLUMNS = ("case", "network", "layer", "quantity", "value")
SUMMARY_COLUMNS = ("case", "layer", "quantity", "statistic", "value")
LOGARITHM = "log2"
BLOCK = 1 << 20  # rows of the table that are held at once


def export(result: Result, path: str | Path, *, summary: bool = False, overwrite: bool = False) -> int:
    """Write every value of a study to ``path`` (.csv or .parquet) as a tidy table, and return the number of rows.

    Columns: case, network, layer, quantity, value. ``summary``, and a study that kept no networks, give one row a
    statistic: case, layer, quantity, statistic, value; ``log2`` stands beside values that have left float64.
    Raises InputError for a table that is there unless ``overwrite`` is set, another suffix, Parquet without pyarrow,
    or a path that cannot be written.
    """
    require_result(result, "export")
    path = as_path(path)
    if path.exists() and not overwrite:
        raise InputError(f"{path} exists; give {option('overwrite', True)} to replace it, or another name")
    kept = all(any(quantity in result[name] for quantity in NAMES) for name in result.names)
    summary = summary or not kept
    blocks = _summaries(result) if summary else _rows(result)
    columns: tuple[str, ...] = SUMMARY_COLUMNS if summary else COLUMNS
    if any(str(name).endswith(magnitudes.SUFFIX) for case in result.names for name in result[case]):
        columns += (LOGARITHM,)
    write = {".csv": _write_csv, ".parquet": _write_parquet}.get(path.suffix)
    if write is None:
        raise InputError(f"{path}: unknown kind of table; name it .csv or .parquet")
    path = behind_links(path)
    temporary = path.with_name(path.name + TEMPORARY)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        count = write(temporary, columns, blocks)
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}; name another {option('path')}") from None
    finally:
        temporary.unlink(missing_ok=True)
    return count


def _rows(result: Result) -> Iterator[dict[str, Any]]:
    """Blocks of columns, a case and quantity at a time."""
    for name in result.names:
        dataset = result[name]
        layer, network = dataset["layer"].values, dataset["network"].values
        step = max(1, BLOCK // len(layer))
        for quantity in NAMES:
            if quantity not in dataset:
                continue
            logs = dataset.get(quantity + magnitudes.SUFFIX)
            for start in range(0, len(network), step):
                values = dataset[quantity][start : start + step].values
                beside = None if logs is None else logs[start : start + step].values
                chosen = network[start : start + step]
                yield {
                    "case": name,
                    "network": np.repeat(chosen, len(layer)),
                    "layer": np.tile(layer, len(chosen)),
                    "quantity": quantity,
                    "value": values.ravel(),
                    LOGARITHM: _logarithm(values, beside).ravel(),
                }


def _summaries(result: Result) -> Iterator[dict[str, Any]]:
    for name in result.names:
        dataset: xarray.Dataset = result[name]
        for quantity in NAMES:
            for statistic in STATISTICS:
                place = f"{quantity}_{statistic}"
                if place in dataset:
                    values = dataset[place].values.astype(np.float64)
                    yield {
                        "case": name,
                        "layer": dataset["layer"].values,
                        "quantity": quantity,
                        "statistic": statistic,
                        "value": values,
                        LOGARITHM: _logarithm(values, magnitudes.partner(dataset, place)),
                    }


def _logarithm(values: Floats, log2: Floats | None) -> Floats:
    """The logarithms of those values that have left float64, NaN for all others."""
    if log2 is None:
        return np.full(values.shape, np.nan)
    return np.where(magnitudes.lost(values, log2), log2, np.nan)


def _write_csv(path: Path, columns: tuple[str, ...], blocks: Iterator[dict[str, Any]]) -> int:
    import csv

    count = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for block in blocks:
            size = len(block["value"])
            plain = [_words(block[c], size, c == LOGARITHM) for c in columns]
            writer.writerows(zip(*plain, strict=True))  # float64 in its shortest form that reads back the same
            count += size
    return count


def _words(column: Any, size: int, may_lack: bool) -> list[Any]:
    if not isinstance(column, np.ndarray):
        return [column] * size
    return [None if math.isnan(x) else x for x in column.tolist()] if may_lack else list(column.tolist())


def _write_parquet(path: Path, columns: tuple[str, ...], blocks: Iterator[dict[str, Any]]) -> int:
    if importlib.util.find_spec("pyarrow") is None:
        raise InputError(
            "Parquet needs pyarrow, which is not installed; pip install 'mcflow[parquet]', or name the file .csv"
        )
    pyarrow, parquet = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    words = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    kinds = {
        "network": pyarrow.int64(),
        "layer": pyarrow.int64(),
        "value": pyarrow.float64(),
        LOGARITHM: pyarrow.float64(),
    }
    schema = pyarrow.schema([(column, kinds.get(column, words)) for column in columns])
    count = 0
    with parquet.ParquetWriter(str(path), schema) as writer:
        for block in blocks:
            size = len(block["value"])
            arrays = []
            for column in columns:
                value = block[column]
                if isinstance(value, np.ndarray):
                    lacking = np.isnan(value) if column == LOGARITHM else None
                    arrays.append(pyarrow.array(value, type=kinds[column], mask=lacking))
                else:
                    index = pyarrow.array(np.zeros(size, np.int32))
                    arrays.append(pyarrow.DictionaryArray.from_arrays(index, pyarrow.array([value])))
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))
            count += size
    return count
