"""Child process of ``user_files``: prints the columns of a Parquet table, with a note."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcflow import child_process
from mcflow.errors import InputError


def read(path: str, limit: int) -> tuple[NDArray[np.float64], str]:
    """The (rows, columns) numbers of at most ``limit`` bytes, and what was left out; InputError for all else."""
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            rows, schema = file.metadata.num_rows, file.schema_arrow
            index = _index(schema.metadata)
            names = [name for name in schema.names if name not in index]
            if not names:
                raise InputError(f"{path!r} has no columns; a table has one for each feature")
            if rows * len(names) * 8 > limit:
                raise InputError(f"{path!r} of {rows} x {len(names)} entries does not fit into memory; give fewer rows")
            for name in names:
                _refuse_unfit(schema, name, path)
            table = file.read(columns=names)
        values = np.empty((rows, len(names)))
        for place, name in enumerate(names):
            column = table.column(place).combine_chunks()
            if column.null_count:
                row = int(np.flatnonzero(np.asarray(column.is_null()))[0])
                number = schema.names.index(name) + 1
                raise InputError(f"{path!r}: row {row + 1}, column {number} ({name}) is missing; leave such rows out")
            if pyarrow.types.is_boolean(column.type):
                column = column.cast(pyarrow.uint8())
            values[:, place] = column.cast(pyarrow.float64(), safe=False).to_numpy(zero_copy_only=False)
    except InputError:
        raise
    except (pyarrow.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"cannot read {path!r} as Parquet: {str(error).rstrip('.')}; it is damaged or of another kind"
        ) from None
    return values, f"the index {', '.join(map(repr, index))} left out" if index else ""


def _index(metadata: dict[bytes, bytes] | None) -> list[str]:
    """The columns that pandas wrote as an index."""
    try:
        found = json.loads((metadata or {})[b"pandas"])["index_columns"]
        return [name for name in found if isinstance(name, str)]
    except (KeyError, ValueError, TypeError):
        return []


def _refuse_unfit(schema: Any, name: str, path: str) -> None:
    from pyarrow import types

    if schema.names.count(name) > 1:
        raise InputError(f"{path!r} has two columns called {name!r}; give each a name of its own")
    kind = schema.field(name).type
    if not any(fits(kind) for fits in (types.is_floating, types.is_integer, types.is_decimal, types.is_boolean)):
        column = schema.names.index(name) + 1
        raise InputError(f"{path!r}: column {column} ({name}) holds {kind}, not real numbers; leave it out")


def main() -> int:
    path, limit = sys.argv[1:]
    return child_process.serve(lambda: read(path, int(limit)))


if __name__ == "__main__":
    sys.exit(main())
