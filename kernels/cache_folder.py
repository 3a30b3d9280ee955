"""Where compiled kernels of either device are kept: one folder of the user's for each text of the kernels."""

import contextlib
import hashlib
import os
import sys
from pathlib import Path


def folder_for(version):
    """A writable folder named by the hash of every file of the kernels and the compiler's ``version``, or None.

    The compilers' own caches look only at the file a function stands in and would return stale code after an edit
    elsewhere.
    """
    try:
        folder = _root() / "mcflow" / f"kernels-{_digest(version)}"
        folder.mkdir(parents=True, exist_ok=True)
        trial = folder / f".writable-{os.getpid()}"
        trial.touch()
        with contextlib.suppress(FileNotFoundError):  # the trial of another thread is the same file
            trial.unlink()
    except (OSError, RuntimeError):  # RuntimeError: the user has no home
        return None
    return folder


def _digest(version):
    here = Path(__file__).parent
    digest = hashlib.sha256(version.encode())
    for path in sorted(here.rglob("*.py")):
        digest.update(path.relative_to(here).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _root():
    if os.environ.get("NUMBA_CACHE_DIR"):
        return Path(os.environ["NUMBA_CACHE_DIR"])
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home()))
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
