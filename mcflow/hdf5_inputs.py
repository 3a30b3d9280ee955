"""Child process of ``inputs``: prints one HDF5 dataset as .npy bytes."""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np

from mcflow import children
from mcflow.errors import InputError, nearest


def read(path: str, name: str, limit: int) -> Any:
    """Dataset ``name`` (or the only one, where that is empty) of at most ``limit`` bytes; InputError else."""
    import h5py

    try:
        with h5py.File(path, "r", locking=False) as file:
            found: list[str] = []
            file.visititems(lambda at, item: found.append(at) if isinstance(item, h5py.Dataset) else None)
            if not name and len(found) == 1:
                name = found[0]
            if not name:
                raise InputError(
                    f"say which dataset of {path!r}, as in {path}:NAME; it has {', '.join(found) or 'none'}"
                )
            name = name.strip("/")
            if name not in found:
                raise InputError(f"{path!r} has no dataset {name!r}; {nearest(name, found)}")
            data = file[name]
            if data.dtype.kind not in "fiub":
                raise InputError(f"{path}:{name} holds {data.dtype}, not real numbers")
            if data.size * 8 > limit:
                raise InputError(f"{path}:{name} of shape {data.shape} does not fit into memory; give fewer rows")
            return data[()]
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"cannot read {path!r} as HDF5: {error}; the file is damaged or of another kind") from None


def main() -> int:
    path, name, limit = sys.argv[1:]
    try:
        values = read(path, name, int(limit))
    except InputError as error:
        return children.refuse(error)
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=False)
    sys.stdout.buffer.write(buffer.getvalue())
    return 0


if __name__ == "__main__":
    sys.exit(main())
