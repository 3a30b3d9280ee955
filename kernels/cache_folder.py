"""The user's folder for what may be lost, and in it one for compiled kernels of either device and each text of them."""

import contextlib
import hashlib
import os
import sys
from pathlib import Path


def folder_for(version):
    """A folder named by the hash of every file of the kernels and the compiler's ``version``.

    None where it cannot be written, or something in it not be read: kernels are then compiled by every process.

    The compilers' own caches look only at the file a function stands in and would return stale code after an edit
    elsewhere.
    """
    try:
        folder = root() / f"kernels-{_digest(version)}"
        folder.mkdir(parents=True, exist_ok=True)
        trial = folder / f".writable-{os.getpid()}"
        trial.touch()
        with contextlib.suppress(FileNotFoundError):  # the trial of another thread is the same file
            trial.unlink()
        if not all(os.access(path, os.R_OK) for path in folder.iterdir()):  # another user's: compilers would stumble
            return None
    except (OSError, RuntimeError):  # RuntimeError: the user has no home
        return None
    return folder


def _digest(version):
    here = Path(__file__).parent
    digest = hashlib.sha256(version.encode())
    for path in sorted(here.rglob("*.py")):
        digest.update(path.relative_to(here).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def root():
    """The folder, which may not exist: under NUMBA_CACHE_DIR, XDG_CACHE_HOME, or where this platform has caches.

    RuntimeError where the user has no home.
    """
    if os.environ.get("NUMBA_CACHE_DIR"):
        place = Path(os.environ["NUMBA_CACHE_DIR"])
    elif sys.platform == "win32":
        place = Path(os.environ.get("LOCALAPPDATA") or Path.home())
    elif sys.platform == "darwin":
        place = Path.home() / "Library" / "Caches"
    else:
        place = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return place / "mcflow"
