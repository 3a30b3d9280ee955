"""What tests share: the command in this process or a child, small parts, and a view of a file's numbers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

# Children import the installed package, as this process does, wherever they are started.
os.environ["PYTHONSAFEPATH"] = "1"

SMALL_PARTS = Path(__file__).parent / "system" / "small_parts.py"


LONGEST = "tests/twins/test_cuda_simulator.py"  # minutes in one process: started last, all others would wait for it


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest test first, so that other processes work beside it."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


def datasets(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Every dataset of a file by its full name."""
    import h5py

    found: dict[str, np.ndarray[Any, Any]] = {}
    with h5py.File(path, "r", locking=False) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def assert_same_bits(first: Path, second: Path) -> None:
    """Every dataset of both files, bit for bit."""
    left, right = datasets(first), datasets(second)
    assert left.keys() == right.keys()
    for name, values in left.items():
        if not name.endswith("continuation"):  # an HDF5 image: its padding is nobody's promise
            assert values.tobytes() == right[name].tobytes(), name


def command_line(*arguments: object, part: int | None = None, stand_in: bool = False) -> list[str]:
    """The command in a process of its own.

    ``part`` makes parts of that many networks, so that there are many; ``stand_in`` draws rows instead of simulating.
    """
    start = ["-m", "mcflow"] if part is None else [str(SMALL_PARTS), str(part), "stand-in" if stand_in else "kernels"]
    return [sys.executable, *start, *map(str, arguments)]


@pytest.fixture
def mcflow_command(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command in ``tmp_path`` and wait for it."""

    def run(
        *arguments: object, part: int | None = None, stand_in: bool = False, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        environment = dict(os.environ, COLUMNS="120") | options.pop("environment", {})
        return subprocess.run(
            command_line(*arguments, part=part, stand_in=stand_in),
            cwd=options.pop("cwd", tmp_path),
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            **options,
        )

    return run


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A pretended device, an empty folder, and a count of the kernels that were compiled."""
    import cuda_code  # beside the tests that take it
    from mcflow.kernels.cuda import disk_cache
    from numba.cuda import dispatcher

    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    disk_cache.folder.cache_clear()
    context = cuda_code.pretend_a_device(monkeypatch)
    context.compiled = []
    compile_it = dispatcher._Kernel.__init__

    def counted(self, *arguments, **options):
        context.compiled.append(arguments)
        compile_it(self, *arguments, **options)

    monkeypatch.setattr(dispatcher._Kernel, "__init__", counted)
    yield context
    disk_cache.folder.cache_clear()
