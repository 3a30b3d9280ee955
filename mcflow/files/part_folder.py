"""Where finished parts lie until the file is made: a folder beside it, or this process's memory."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mcflow.files.atomic import write_atomically

HEAD = "head.h5"
_PATTERN = re.compile(r"case(\d{3,})-from(\d{12,})-n(\d+)-([0-9a-f]{8})\.h5")
ANY_PART = "case*.h5"  # those of other versions too


@dataclass(frozen=True, order=True)
class PartName:
    """The ``networks`` networks of case ``case`` that begin with network ``first``."""

    case: int
    first: int
    networks: int
    checksum: int

    @property
    def end(self) -> int:
        """The network after the last."""
        return self.first + self.networks

    def __str__(self) -> str:
        return f"case{self.case:03d}-from{self.first:012d}-n{self.networks}-{self.checksum:08x}.h5"

    @classmethod
    def parse(cls, text: str) -> PartName | None:
        found = _PATTERN.fullmatch(text)
        if found is None:
            return None
        case, first, networks, checksum = found.groups()
        return cls(int(case), int(first), int(networks), int(checksum, 16))


class DamagedPart(Exception):
    """A part's bytes are not those that were written."""


class Parts(Protocol):
    """A store of finished parts: which there are is all that a run knows of what was done before it.

    An image is the bytes of a part (``part_image``). A store has one writer, the holder of its lock, and any number of
    readers, who may meet names that go while they read.
    """

    def names(self) -> list[PartName]:
        """Every part that is there and whole, ascending; never one that is being written."""
        ...

    def read(self, name: PartName) -> bytes:
        """The image of a part that ``names`` gave.

        Raises DamagedPart where its bytes have changed, KeyError or FileNotFoundError where it has gone since.
        """
        ...

    def write(self, case: int, first: int, networks: int, image: bytes) -> PartName:
        """Keep the image of so many networks of case ``case`` from ``first`` on, and return its name.

        All or nothing: after a return it is there whatever happens to the process, after an OSError (a full disk) it is
        not. Others at the same place stay; ``usable`` tells which counts.
        """
        ...

    def remove(self, name: PartName) -> None:
        """Forget a part; one that is not there is no error."""
        ...


class MemoryParts:
    """Parts in this process's memory."""

    def __init__(self) -> None:
        self._images: dict[PartName, bytes] = {}

    def names(self) -> list[PartName]:
        return sorted(self._images)

    def read(self, name: PartName) -> bytes:
        return self._images[name]

    def write(self, case: int, first: int, networks: int, image: bytes) -> PartName:
        name = PartName(case, first, networks, zlib.crc32(image))
        self._images[name] = image
        return name

    def remove(self, name: PartName) -> None:
        self._images.pop(name, None)


class FolderParts:
    """Parts as files of one folder, each written atomically; its name carries the CRC-32 of its bytes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> list[PartName]:
        found = (PartName.parse(path.name) for path in self.folder.iterdir())
        return sorted(name for name in found if name is not None)

    def read(self, name: PartName) -> bytes:
        """The image; DamagedPart where its bytes have changed since they were written."""
        image = (self.folder / str(name)).read_bytes()
        if zlib.crc32(image) != name.checksum:
            raise DamagedPart(f"{self.folder / str(name)} is damaged")
        return image

    def write(self, case: int, first: int, networks: int, image: bytes) -> PartName:
        name = PartName(case, first, networks, zlib.crc32(image))
        write_atomically(self.folder / str(name), image)
        return name

    def remove(self, name: PartName) -> None:
        (self.folder / str(name)).unlink(missing_ok=True)


def usable(names: Iterable[PartName]) -> tuple[dict[int, list[PartName]], list[PartName]]:
    """What of ``names`` counts: by case, ascending, parts of which none lies in another; and the rest.

    The rest are parts that a longer one replaces; a kill between writing and removing leaves them.
    """
    chosen: dict[int, list[PartName]] = {}
    rest = []
    for name in sorted(names, key=lambda name: (name.case, name.first, -name.networks)):
        before = chosen.setdefault(name.case, [])
        if before and name.first < before[-1].end:
            rest.append(name)
        else:
            before.append(name)
    return chosen, rest
