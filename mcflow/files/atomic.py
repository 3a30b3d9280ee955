"""Writing files so that nothing half-written is ever seen under its name, on a full disk or under kill -9."""

from __future__ import annotations

import functools
import hashlib
import io
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mcflow import machine

TEMPORARY = ".tmp"
_BLOCK = 1 << 22
_MOST_THREADS = 8  # that digest: more would wait for the disk
# What a trailer says a digest is; files of format 1.2 and before have the last. All words are as long.
_IN_BLOCKS = "blocks"
_blake2 = functools.partial(hashlib.blake2b, digest_size=32)
_AT_ONCE: dict[str, Callable[[], Any]] = {"blake2": _blake2, "sha256": hashlib.sha256}
_MARK = "\nmcflow-"
TRAILER_SIZE = len(_MARK) + len(f"{_IN_BLOCKS} ") + 64 + 1


def behind_links(path: Path) -> Path:
    """The file that ``path`` stands for: a symbolic link stays, and what it points to is replaced."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def write_atomically(path: Path, data: bytes | memoryview) -> None:
    """Write ``data`` to ``path``: all of it on the disk, or, with an OSError, none of it."""
    path = behind_links(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        try:
            _write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Put the names in ``folder`` on the disk; a file system that cannot is left alone."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass  # some network file systems refuse fsync of a folder
    finally:
        os.close(descriptor)


def remove_temporaries(folder: Path) -> None:
    """Remove what killed writers left in ``folder``; only for the holder of its lock."""
    for stray in folder.glob(f"*{TEMPORARY}"):
        stray.unlink(missing_ok=True)


def _write_all(descriptor: int, data: bytes | memoryview) -> None:
    rest = memoryview(data)
    while rest:  # a nearly full disk writes short and says so only in the count
        rest = rest[os.write(descriptor, rest) :]


class ReservedFile(io.RawIOBase):
    """A file that h5py writes into, whose space is reserved before it is used.

    h5py swallows a failed write and may crash at exit afterwards. So no write fails here: when space cannot be had,
    ``failure`` keeps the OSError, the data is dropped, and the owner looks at ``failure`` before trusting the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.failure: OSError | None = None
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        self._place = 0
        self._reserved = 0

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: os.fstat(self._descriptor).st_size}[whence]
        self._place = start + offset
        return self._place

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        count = os.preadv(self._descriptor, [buffer], self._place)
        self._place += count
        return count

    def write(self, data: bytes | memoryview) -> int:  # type: ignore[override]
        view = memoryview(data).cast("B")
        try:
            if self.failure is None:
                self._reserve(self._place + len(view))
                done = 0
                while done < len(view):
                    done += os.pwrite(self._descriptor, view[done:], self._place + done)
        except OSError as error:
            self.failure = error
        self._place += len(view)
        return len(view)

    def _reserve(self, end: int) -> None:
        if end <= self._reserved or not hasattr(os, "posix_fallocate"):
            return
        generous = max(end, self._reserved + min(max(self._reserved, 1 << 16), 1 << 26))
        for target in (generous, end):
            try:
                os.posix_fallocate(self._descriptor, self._reserved, target - self._reserved)
            except OSError:
                if target == end:
                    raise
            else:
                self._reserved = target
                return

    def truncate(self, size: int | None = None) -> int:
        size = self._place if size is None else size
        try:
            os.ftruncate(self._descriptor, size)
            self._reserved = min(self._reserved, size)
        except OSError as error:
            self.failure = self.failure or error
        return size

    def flush(self) -> None:
        pass

    def sync(self) -> None:
        """Put the file on the disk; raises the OSError of any write that failed since it was opened."""
        if self.failure is not None:
            raise self.failure
        os.fsync(self._descriptor)

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()


def seal_and_replace(temporary: Path, path: Path, found: str) -> None:
    """Put the digest ``found`` behind the end of a finished file and give it its name; OSError where that fails."""
    with open(temporary, "ab") as file:
        file.write(trailer(found))
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    sync_folder(path.parent)


def digest(path: Path, end: int | None = None, like: str | None = None) -> str:
    """The algorithm's name and, in hex, what the first ``end`` bytes of a file, or all of them, come to by it.

    The algorithm is that of the digest ``like``. Where none is given it is the BLAKE2b of the BLAKE2b, of 32 bytes
    each, of the file's blocks of 4 MiB: several threads make them.
    """
    name = _IN_BLOCKS if like is None else like.partition(" ")[0]
    size = path.stat().st_size if end is None else end
    starts = range(0, size, _BLOCK)
    with open(path, "rb", buffering=0) as file:

        def block(start: int) -> bytes:
            return os.pread(file.fileno(), min(_BLOCK, size - start), start)

        if name == _IN_BLOCKS:
            found = _blake2()
            with ThreadPoolExecutor(min(_MOST_THREADS, machine.cores())) as pool:
                for of_block in pool.map(lambda start: _blake2(block(start)).digest(), starts):
                    found.update(of_block)
        else:
            found = _AT_ONCE[name]()
            for start in starts:
                found.update(block(start))
    return f"{name} {found.hexdigest()}"


def trailer(found: str) -> bytes:
    """The line behind the end of an HDF5 file (HDF5 ignores it) that says what its bytes hash to."""
    return f"{_MARK}{found}\n".encode()


def read_trailer(path: Path) -> str | None:
    """The digest in the trailer of ``path``; None where it has none."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TRAILER_SIZE))
        end = file.read()
    text = end.decode("ascii", "replace")
    if len(end) != TRAILER_SIZE or not text.startswith(tuple(f"{_MARK}{name} " for name in (_IN_BLOCKS, *_AT_ONCE))):
        return None
    return text[len(_MARK) : -1]
