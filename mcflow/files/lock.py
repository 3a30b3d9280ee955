"""One writer per output: a lock file that names host, process and start; HDF5's own locks fail on NFS and Lustre."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from mcflow.errors import InputError

NAME = "lock"
_ASIDE = ".aside"  # not a temporary of the folder, which the holder removes: it may be the lock of that holder
_PATIENCE = 2.0  # seconds after which a lock without content is one whose writer was killed while making it


@dataclass(frozen=True)
class Owner:
    """The process that made a lock: its host, number, and start, by which a reused number is told apart."""

    host: str
    pid: int
    start: str | None


@contextlib.contextmanager
def hold(folder: Path, say: Callable[[str], None] = lambda sentence: None) -> Iterator[None]:
    """Hold the lock of ``folder`` for the time of a with block.

    A lock whose process on this host is dead is taken over, and ``say`` is told. Raises InputError where another
    writer holds it, on this host or another; OSError where the folder is not there or takes no file.
    """
    path = folder / NAME
    mine = Owner(socket.gethostname(), os.getpid(), _start_of(os.getpid()))
    while not _make(path, json.dumps(asdict(mine))):
        owner = _read(path)
        if owner is None:
            continue
        if owner.host != socket.gethostname():
            raise InputError(
                f"{folder} is being written by process {owner.pid} on {owner.host}; "
                f"if that has ended, remove {path} and try again"
            )
        if _alive(owner):
            raise InputError(f"{folder} is being written by process {owner.pid} on this host; wait for it or stop it")
        if _take_over(path, owner):
            say(f"took over the lock of process {owner.pid}, which is dead")
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # where the folder has gone, or is read only now, the lock is stale
            if _read(path) == mine:
                path.unlink(missing_ok=True)
            for aside in folder.glob(f"{NAME}.*{_ASIDE}"):  # of one killed while it took a lock over
                aside.unlink(missing_ok=True)


def holder(folder: Path) -> str | None:
    """``process PID on HOST`` where a writer that may live holds the lock of ``folder``; None where none does."""
    if not (folder / NAME).exists():
        return None
    owner = _read(folder / NAME)
    if owner is None or (owner.host == socket.gethostname() and not _alive(owner)):
        return None
    return f"process {owner.pid} on {owner.host}"


def _make(path: Path, content: str) -> bool:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        return False
    try:
        os.write(descriptor, content.encode())
        os.fsync(descriptor)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    return True


def _read(path: Path) -> Owner | None:
    """What a lock says; None where it has gone; one that stays without content reads as that of dead process 0."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            content = json.loads(path.read_text())
            return Owner(str(content["host"]), int(content["pid"]), content["start"])
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ValueError, KeyError, TypeError):
            pass
        if time.monotonic() > deadline:
            return Owner(socket.gethostname(), 0, None)
        time.sleep(0.1)


def _alive(owner: Owner) -> bool:
    if owner.pid <= 0:
        return False
    try:
        os.kill(owner.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    # with another start, the number was given to a new process
    return owner.start is None or _start_of(owner.pid) in (None, owner.start)


def _start_of(pid: int) -> str | None:
    """When a process started, in the kernel's ticks; None where the system does not say, "zombie" for a dead one."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return "zombie" if fields[0] in "ZX" else fields[19]


def _take_over(path: Path, owner: Owner) -> bool:
    """Remove a dead process's lock; False where another was quicker (its lock is put back)."""
    aside = path.with_name(f"{NAME}.{uuid.uuid4().hex}{_ASIDE}")
    try:
        os.rename(path, aside)
    except FileNotFoundError:
        return False
    stale = _read(aside) == owner
    if not stale:
        with contextlib.suppress(FileExistsError, FileNotFoundError):
            os.link(aside, path)
    aside.unlink(missing_ok=True)
    return stale


def works_here() -> str:
    """Whether the system's own locks, which HDF5 uses, work in the working directory: ``works`` or the reason."""
    import fcntl
    import tempfile

    try:
        with tempfile.TemporaryFile(dir=".") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return f"fails: {error.strerror or error}"
    return "works"


def hdf5_version() -> str:
    """The version of the HDF5 library that h5py brings."""
    import h5py

    return str(h5py.version.hdf5_version)
