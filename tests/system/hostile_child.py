"""Reads files of unknown origin with little memory: a kind and a path on a line of stdin, a line of stdout answers.

The line is ``right``, ``refused: SENTENCE`` for an InputError, or ``wrong: ERROR`` for anything else.
"""

import contextlib
import os
import resource
import sys
import traceback
import warnings

import numpy as np

from mcflow import machine
from mcflow.errors import InputError
from mcflow.files import integrity, part_image, reading, shards, target
from mcflow.inputs import case_inputs, hdf5_child, parquet_child
from mcflow.model.case import Case
from mcflow.model.study import Study
from mcflow.running import merging

ROOM = 1 << 30  # bytes beyond what the program itself takes


def read_inputs(path):
    values = case_inputs.inputs_of(Case(inputs=path, batch=1, depth=2), 0)
    assert values.dtype == np.float64
    assert values.ndim == 2
    assert np.isfinite(values).all()


def read_hdf5_inputs(path):
    np.asarray(hdf5_child.read(path, "", machine.available_memory() // 2)[0])


def read_parquet_inputs(path):
    parquet_child.read(path, machine.available_memory() // 2)


def read_study(path):
    study = Study.from_file(path)
    assert Study.from_toml(study.to_toml()) == study


def read_result(path):
    try:
        with reading.open(path) as result:
            for name in result:
                result[name].load()
    except (OSError, KeyError) as error:  # damage that a checksum found while data was read, after it was opened
        raise InputError(str(error)) from None


def read_seal(path):
    target.seal_of_file(target.Path(path))


def read_shard(path):
    shards.read_shard(merging.Path(path))


def main():
    import h5netcdf
    import h5py

    with contextlib.suppress(ImportError):
        import pyarrow.parquet

        pyarrow.set_cpu_count(1)  # threads reserve address space
        pyarrow.set_io_thread_count(1)
    assert h5netcdf
    assert h5py
    assert integrity
    assert part_image
    used = machine._used_address_space()
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, used + ROOM))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        kind, path = line.rstrip("\n").split(" ", 1)
        try:
            globals()[f"read_{kind}"](path)
            answer = "right"
        except InputError as error:
            answer = "refused: " + " ".join(str(error).split())
        except Exception:
            answer = "wrong: " + " | ".join(traceback.format_exc().splitlines()[-6:])
        os.write(1, answer.encode("utf-8", "replace") + b"\n")


if __name__ == "__main__":
    main()
