"""One writer per output: a lock file that names host, process and start; HDF5's own locks fail on NFS and Lustre."""

from __future__ import annotations

import contextlib
import errno
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
_TAKING = ".taking"  # the claim to take a dead process's lock over
_NEW = ".new"  # a lock or a claim that is being written
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS)
_OWNER = "owner"  # in a lock that is a folder, where the file system has no links
_PATIENCE = 2.0  # seconds that others are waited for; a lock still without content then is damaged: nobody makes such


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
    while not _make(path, mine):
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
        if _take_over(path, owner, mine):
            say(f"took over the lock of process {owner.pid}, which is dead")
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # where the folder has gone, or is read only now, the lock is stale
            if _read(path) == mine:
                # of those killed beside this lock; first, for under another lock a claim may be good
                for left in (*folder.glob(f"{NAME}.*{_TAKING}"), *folder.glob(f"{NAME}.*{_NEW}")):
                    _remove(left)
                _remove(path)


def holder(folder: Path) -> str | None:
    """``process PID on HOST`` where a writer that may live holds the lock of ``folder``; None where none does."""
    if not (folder / NAME).exists():
        return None
    owner = _read(folder / NAME)
    if owner is None or (owner.host == socket.gethostname() and not _alive(owner)):
        return None
    return f"process {owner.pid} on {owner.host}"


def _make(path: Path, mine: Owner) -> bool:
    """Make a lock or a claim unless one is there: its content is written first, and one step then gives it its name.

    It is never seen without its content, so that who stands still while making one, however long, finds that another
    has been made meanwhile.
    """
    if path.exists():
        with contextlib.suppress(OSError):  # a folder that was emptied by hand
            path.rmdir()
        return False
    written = _new_name(path)
    try:
        _write(written, mine)
        os.link(written, path)
    except FileExistsError:
        # NFS may repeat a request whose answer was lost: the file's own count of links tells who made the lock
        return os.stat(written).st_nlink == 2
    except FileNotFoundError:
        if path.parent.is_dir():
            return False  # who held the lock cleaned up
        raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _make_folder(path, written)
    finally:
        written.unlink(missing_ok=True)
    return True


def _make_folder(path: Path, written: Path) -> bool:
    """The same where the file system has no links: a folder with its content takes the place of no other but an empty.

    A file is replaced by a renamed file, a folder that holds something by nothing (POSIX, rename).
    """
    folder = _new_name(path)
    folder.mkdir()
    try:
        written.rename(folder / _OWNER)
        folder.rename(path)
    except OSError:
        if path.exists() or not (folder / _OWNER).exists():
            return False  # another was made meanwhile, or who made one cleaned up
        raise
    finally:
        _remove(folder)
    return True


def _new_name(path: Path) -> Path:
    return path.with_name(f"{NAME}.{uuid.uuid4().hex}{_NEW}")


def _remove(path: Path) -> None:
    """Remove a lock or a claim that may be gone already; a folder first loses its name, in one step."""
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    aside = _new_name(path)
    with contextlib.suppress(FileNotFoundError):
        path.rename(aside)
        (aside / _OWNER).unlink(missing_ok=True)
        aside.rmdir()


def _write(path: Path, mine: Owner) -> None:
    """A new file of that content; FileExistsError where one is there."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        os.write(descriptor, json.dumps(asdict(mine)).encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path) -> Owner | None:
    """What a lock says; None where it has gone; one that stays without content reads as that of dead process 0."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            content = json.loads((path / _OWNER if path.is_dir() else path).read_text())
            return Owner(str(content["host"]), int(content["pid"]), content["start"])
        except (FileNotFoundError, NotADirectoryError):
            return None
        except IsADirectoryError:  # it was a file a moment ago
            continue
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


def _take_over(path: Path, dead: Owner, mine: Owner) -> bool:
    """Remove a dead process's lock; False where it is another lock by now. One process at a time may.

    Who takes the lock of a dead process over must first hold the claim to it, a file named after that process. Nobody
    else removes the lock meanwhile: its maker is dead, and there is one claim. A taker that dies holding the claim
    leaves one that is claimed in its turn. A process that has died makes no second lock, so that a claim to it is
    worth nothing once its lock has gone, however late a slow taker gets it.
    """
    chain = [_claim(path, dead)]
    while not _make(chain[-1], mine):
        other = _read(chain[-1])
        if other is None:
            return False
        if other.host != mine.host or _alive(other):
            _wait_for(chain[-1], other)
            return False
        if _claim(path, other) in chain:  # claims without content, all of "process 0"
            raise InputError(f"{chain[-1]} is damaged; remove it and try again")
        chain.append(_claim(path, other))
    try:
        if _read(path) != dead:
            return False
        _remove(path)
        return True
    finally:
        for claim in chain:
            _remove(claim)


def _claim(path: Path, dead: Owner) -> Path:
    """The file that gives the right to take over what ``dead`` made."""
    return path.with_name(f"{NAME}.{dead.pid}-{dead.start}{_TAKING}")


def _wait_for(claim: Path, other: Owner) -> None:
    """Wait until a living taker is done, which takes it milliseconds; InputError where it does not come to an end."""
    deadline = time.monotonic() + _PATIENCE
    while claim.exists():
        if time.monotonic() > deadline:
            raise InputError(
                f"{claim.parent} is being taken over by process {other.pid} on {other.host}; "
                f"wait for it or stop it; if it has ended, remove {claim} and try again"
            )
        time.sleep(0.01)


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
