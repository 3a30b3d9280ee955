"""``mcflow doctor``: what this machine has for mcflow, and why not what it has not."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import Any

import click

from mcflow.cli.options import json_option

PACKAGES = ("numba", "llvmlite", "numpy", "scipy", "h5py", "h5netcdf", "xarray", "click", "rich", "threadpoolctl")
OPTIONAL = {"matplotlib": "plot", "scikit-learn": "data", "distributed": "dask", "numba-cuda": "cuda"}

EXAMPLE = """\b
Examples:
  mcflow doctor
  mcflow doctor --json"""


@click.command(epilog=EXAMPLE)
@json_option
def command(as_json: bool) -> None:
    """Versions, cores, threading layer, SIMD, CUDA devices or why there is none, HDF5 locking."""
    from mcflow.cli import tables

    found = examine()
    if as_json:
        tables.print_json(found)
        return
    for title, values in found.items():
        print(title)
        for key, value in values.items():
            print(f"  {key:<18} {value if not isinstance(value, list) else ', '.join(map(str, value)) or 'none'}")


def examine() -> dict[str, dict[str, Any]]:
    """What there is, by subject, as plain data."""
    from mcflow import machine
    from mcflow.files import lock
    from mcflow.sampling import devices
    from mcflow.version import __version__

    versions: dict[str, Any] = {"mcflow": __version__, "python": platform.python_version()}
    versions |= {name: metadata.version(name) for name in PACKAGES}
    for name, extra in OPTIONAL.items():
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = f"not installed; pip install 'mcflow[{extra}]'"
    memory = {"available_GB": round(machine.available_memory() / 1e9, 1), "cores_allowed": machine.cores()}
    here = {"platform": platform.platform(), **memory}
    return {"versions": versions, "machine": here, **devices.describe(), "hdf5": _hdf5(lock.works_here())}


def _hdf5(locking: str) -> dict[str, Any]:
    import os

    from mcflow.files import lock

    return {
        "version": lock.hdf5_version(),
        "HDF5_USE_FILE_LOCKING": os.environ.get("HDF5_USE_FILE_LOCKING", "not set"),
        "locking_here": locking,
        "used_by_mcflow": "no: one writer is kept by a lock file, readers take no lock",
    }
