"""Work on files of unknown origin in a child process: a damaged HDF5 file can crash the library that reads it."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcflow.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

REFUSED = 2  # the exit code with which a child hands back an InputError's sentence on stderr
_PATIENCE = 600.0  # seconds; reading every byte of a large file takes minutes, a hang takes for ever


def run(module: str, arguments: Sequence[str], about: str) -> bytes:
    """What ``python -m module arguments`` prints; ``about`` is the file it reads, for the sentence when it fails.

    Raises InputError with the child's own sentence, or where it crashed or did not end.
    """
    command = [sys.executable, "-P", "-m", module, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, env=environment(), timeout=_PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        raise InputError(f"reading {about} did not end within {_PATIENCE:.0f} s; the file is damaged") from None
    if done.returncode == 0:
        return done.stdout
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or [f"exit code {done.returncode}"]
    if done.returncode == REFUSED:
        raise InputError(lines[-1])
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        raise InputError(f"{about} is damaged: the library that reads it crashed ({name}); give a whole file")
    raise InputError(f"cannot read {about}: {lines[-1]}")


def refuse(error: Exception) -> int:
    """Print the sentence of ``error`` for the parent; returns the exit code to end with."""
    print(" ".join(str(error).split()), file=sys.stderr)
    return REFUSED


def serve(read: Callable[[], tuple[NDArray[Any], str]]) -> int:
    """What a child that reads an array ends with: it hands the array over, or its sentence; returns the exit code."""
    try:
        values, note = read()
    except InputError as error:
        return refuse(error)
    _hand_over(values, note)
    return 0


def _hand_over(values: NDArray[Any], note: str) -> None:
    """Print an array and a line about it for the parent, which takes them by ``received``."""
    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, np.asarray(values, order="C"), allow_pickle=False)
    sys.stdout.buffer.write(" ".join(note.split()).encode("utf-8", "replace") + b"\n")
    sys.stdout.buffer.write(buffer.getbuffer())


def received(image: bytes) -> tuple[NDArray[Any], str]:
    """The array and the line that a child handed over."""
    import numpy as np

    note, _, values = image.partition(b"\n")
    return np.load(io.BytesIO(values), allow_pickle=False), note.decode()


def environment() -> dict[str, str]:
    """The environment of a child that finds this package where this process has it."""
    package = str(Path(__file__).parents[1])
    return dict(os.environ, PYTHONPATH=os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])]))
