"""Work on files of unknown origin in a child process: a damaged HDF5 file can crash the library that reads it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import mcflow
from mcflow.errors import InputError

REFUSED = 2  # the exit code with which a child hands back an InputError's sentence on stderr
_PATIENCE = 600.0  # seconds; reading every byte of a large file takes minutes, a hang takes for ever


def run(module: str, arguments: Sequence[str], about: str) -> bytes:
    """What ``python -m module arguments`` prints; ``about`` is the file it reads, for the sentence when it fails.

    Raises InputError with the child's own sentence, or where it crashed or did not end.
    """
    environment = dict(os.environ, PYTHONPATH=_search_path())
    command = [sys.executable, "-P", "-m", module, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, env=environment, timeout=_PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        raise InputError(f"reading {about} did not end within {_PATIENCE:.0f} s; the file is damaged") from None
    if done.returncode == 0:
        return done.stdout
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or [f"exit code {done.returncode}"]
    if done.returncode == REFUSED:
        raise InputError(lines[-1])
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        raise InputError(f"{about} is damaged: the HDF5 library crashed on it ({name}); give a whole file")
    raise InputError(f"cannot read {about}: {lines[-1]}")


def refuse(error: Exception) -> int:
    """Print the sentence of ``error`` for the parent; returns the exit code to end with."""
    print(" ".join(str(error).split()), file=sys.stderr)
    return REFUSED


def _search_path() -> str:
    package = str(Path(mcflow.__file__).parent.parent)
    return os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
