"""Head and parts into one file, checked before it takes its name; rows go in as soon as their part is finished."""

from __future__ import annotations

import contextlib
import io
import os
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mcflow.files.atomic import TEMPORARY, ReservedFile, digest, seal_and_replace
from mcflow.files.datasets import read_through
from mcflow.files.draft import Draft
from mcflow.files.part_folder import FolderParts, PartName, Parts, usable

_SYNCED = 1 << 25  # bytes of a draft that may wait to be written to the disk: none waits for them at the end


class DraftFile:
    """A draft in a temporary file of ``folder``, which goes with the end of the with block."""

    def __init__(self, head: bytes, folder: Path, networks: int | None = None) -> None:
        self.temporary = folder / f"assembly.{os.getpid()}{TEMPORARY}"
        self.target = ReservedFile(self.temporary)
        try:
            self.draft = Draft(head, self.target, networks)
        except BaseException:
            self.remove()
            raise

    def remove(self) -> None:
        """Close it and take it away; what cannot be removed now is when the folder is next opened."""
        if hasattr(self, "draft"):
            self.draft.close()
        self.target.close()
        with contextlib.suppress(OSError):
            self.temporary.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.remove()


class Streamed:
    """The parts of a folder, whose rows go into the draft of the file too; parts come first where the disk is full.

    A thread puts the rows of a part there while the next is written. A draft that fails is dropped, and the file is
    made of the parts at the end.
    """

    def __init__(self, parts: FolderParts, head: bytes, networks: int) -> None:
        self._parts = parts
        self._draft: DraftFile | None = None
        self._beside = ThreadPoolExecutor(1)
        self._putting: Future[None] | None = None
        self._waiting = 0  # bytes that are not on the disk
        with contextlib.suppress(OSError):
            self._draft = DraftFile(head, parts.folder, networks)

    def names(self) -> list[PartName]:
        return self._parts.names()

    def read(self, name: PartName) -> bytes:
        return self._parts.read(name)

    def remove(self, name: PartName) -> None:
        self._parts.remove(name)

    def write(self, case: int, first: int, networks: int, image: bytes) -> PartName:
        try:
            name = self._parts.write(case, first, networks, image)
        except OSError:
            if self._draft is None:
                raise
            self.drop()  # which makes room
            name = self._parts.write(case, first, networks, image)
        draft = self.draft()
        if draft is not None:
            self._putting = self._beside.submit(self._put, draft, name, image)
        return name

    def _put(self, file: DraftFile, name: PartName, image: bytes) -> None:
        file.draft.put(name, image)
        self._waiting += len(image)
        if self._waiting > _SYNCED:
            file.target.sync()
            self._waiting = 0

    def draft(self) -> DraftFile | None:
        """The draft with all parts that were written, after the last was put; None where it failed."""
        putting, self._putting = self._putting, None
        if putting is not None:
            try:
                putting.result()
            except OSError:
                self.drop()
        return self._draft

    def drop(self) -> None:
        """Do without a draft."""
        putting, self._putting = self._putting, None
        if putting is not None:
            wait([putting])
        if self._draft is not None:
            self._draft.remove()
            self._draft = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.drop()
        self._beside.shutdown()


def assemble_file(head: bytes, parts: Parts, path: Path, folder: Path, attributes: dict[str, Any]) -> None:
    """Make ``path`` from a head and its parts; ``folder`` takes the temporary file.

    ``attributes`` are put on the root. The file is complete, checked and on the disk before it gets its name; an
    OSError says that it could not be, and then nothing of it stays.
    """
    chosen, _ = usable(parts.names())
    if isinstance(parts, Streamed):
        begun = parts.draft()
        if begun is not None and begun.draft.suits(chosen):
            _finish(begun, chosen, parts, path, attributes)
            return
        parts.drop()
    with DraftFile(head, folder) as draft:
        _finish(draft, chosen, parts, path, attributes)


def _finish(
    file: DraftFile, chosen: dict[int, list[PartName]], parts: Parts, path: Path, attributes: dict[str, Any]
) -> None:
    file.draft.finish(chosen, parts, attributes)
    with ThreadPoolExecutor(2) as beside:
        bytes_of_it, on_disk = beside.submit(digest, file.temporary), beside.submit(file.target.sync)
        check_readable(file.temporary)
        on_disk.result()
        seal_and_replace(file.temporary, path, bytes_of_it.result())


def assemble_image(head: bytes, parts: Parts, attributes: dict[str, Any]) -> bytes:
    """The same file as bytes in memory."""
    target = io.BytesIO()
    chosen, _ = usable(parts.names())
    Draft(head, target).finish(chosen, parts, attributes)
    return target.getvalue()


def check_readable(path: Path) -> None:
    """Read every byte of every dataset, so that every checksum is looked at; OSError where one fails."""
    import h5py

    with h5py.File(path, "r", locking=False) as file:
        for name, reason in read_through(file):
            if reason:
                raise OSError(f"{path}: {name} cannot be read back: {reason}")
