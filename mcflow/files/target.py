"""One study on disk: its file, the folder of its parts beside it, and the way from the one to the other."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mcflow.errors import InputError, option
from mcflow.files import assembly, integrity, lock, part_image
from mcflow.files.assembly import Streamed
from mcflow.files.atomic import behind_links, remove_temporaries, write_atomically
from mcflow.files.header import head_image
from mcflow.files.part_folder import ANY_PART, HEAD, FolderParts, Parts, usable
from mcflow.files.seal import Seal, case_names, difference, read_seal, seal_of
from mcflow.plan import Begun, Prepared
from mcflow.quantities import NAMES
from mcflow.sampling.part import Part
from mcflow.statistics import magnitudes

if TYPE_CHECKING:
    import h5py

SUFFIX = ".parts"
_LONGEST_NAME = 200  # bytes: file systems take 255, and parts and temporary files have longer ones
_TRIES = 1000  # each takes microseconds, and loses only to a writer that comes or goes in them


def parts_folder(path: Path) -> Path:
    """Where the parts of the file ``path`` lie until it is made: beside it, and not beside a link to it."""
    path = _real(path)
    return path.with_name(path.name + SUFFIX)


def _real(path: Path) -> Path:
    """The file that ``path`` names, behind links; InputError where it is no name of a file, or too long a one."""
    if not path.name:
        raise InputError(f"{str(path)!r} is a folder, not a file of mcflow")
    length = len(os.fsencode(path.name))
    if length > _LONGEST_NAME:
        raise InputError(f"{path.name[:40]}... is a name of {length} bytes; give one of at most {_LONGEST_NAME}")
    return behind_links(path)


SUFFIXES = (".h5", ".hdf5", ".nc")  # of names that are taken for an HDF5 file; none at all is one too


@dataclass(frozen=True)
class Target:
    """The file that a run makes, and what it may do to one that is there."""

    path: Path
    resume: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        suffix = self.path.suffix
        if suffix[1:2].isalpha() and suffix.lower() not in SUFFIXES:  # .5 is the end of a number
            raise InputError(
                f"{self.path}: a study is an HDF5 file; name it {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
            )
        object.__setattr__(self, "path", _real(self.path))

    @property
    def folder(self) -> Path:
        return parts_folder(self.path)

    def refuse_existing(self) -> None:
        """InputError where something is there and neither --resume nor --overwrite was given."""
        if self.path.is_dir():
            raise InputError(f"{self.path} is a folder; name a file in it")
        if self.resume or self.overwrite:
            return
        if self.path.exists():
            raise InputError(
                f"{self.path} exists; give {option('resume', True)} to continue it, {option('overwrite', True)} to "
                f"replace it, or another {option('path')}"
            )
        if self.folder.is_dir() and any(self.folder.glob("*.h5")):
            raise InputError(
                f"{self.folder} holds parts of an unfinished run; "
                f"give {option('resume', True)} to continue it, {option('overwrite', True)} to start anew"
            )


@contextlib.contextmanager
def opened(target: Target, say: Callable[[str], None]) -> Iterator[FolderParts]:
    """The target's parts, locked against a second writer. The folder goes when nothing is left in it."""
    folder = target.folder
    with contextlib.ExitStack() as stack:
        stack.callback(_remove_if_empty, folder)
        _make_and_lock(folder, stack, say)
        remove_temporaries(folder)
        yield FolderParts(folder)


def _make_and_lock(folder: Path, stack: contextlib.ExitStack, say: Callable[[str], None]) -> None:
    """Make the folder and lock it; InputError where the disk does not let us, or another writer is there."""
    tries = 0
    while True:
        tries += 1
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(lock.hold(folder, say))
            return
        except OSError as error:
            # a writer that ends or was refused may remove the empty folder between the two steps, or within the first
            if tries < _TRIES and isinstance(error, (FileNotFoundError, FileExistsError)):
                continue
            if folder.is_file():
                raise InputError(
                    f"{folder} is a file where mcflow keeps parts; name another {option('path')}"
                ) from None
            why = error.strerror or error
            raise InputError(f"cannot write to {folder.parent}: {why}; name another {option('path')}") from None


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


def adopt(target: Target, prepared: Prepared, parts: FolderParts) -> bool:
    """Make the folder that of this study, with whatever is there already; True where the file is complete as it is.

    Raises InputError where what is there belongs to another study.
    """
    mine = seal_of(prepared)
    head = parts.folder / HEAD
    if target.overwrite:
        for old in parts.folder.glob(ANY_PART):
            old.unlink(missing_ok=True)
        head.unlink(missing_ok=True)
    elif head.exists():
        _refuse_other(head, mine)
    if target.resume and target.path.exists():
        there = seal_of_file(target.path)
        same = not difference(there, mine)
        if not same and not head.exists():  # beside a head of this study it may go: --overwrite began it
            _refuse_other(target.path, mine)
        if same:
            if there.networks >= mine.networks and is_complete(target.path) and not head.exists():
                return True
            _refuse_fewer(target.path, mine.networks)
            _extract(target.path, parts)
    write_atomically(head, head_image(prepared))
    return False


def begun(target: Target) -> Begun | None:
    """What was decided for the study that a run is to continue; None where none was begun, or it cannot be read."""
    if target.resume:
        for path in (target.folder / HEAD, target.path):
            if path.is_file():
                with contextlib.suppress(InputError):  # a shard, or what adopt will refuse with a sentence
                    seal = seal_of_file(path)
                    return Begun(seal.methods, "" if target.overwrite else seal.device)
                return None
    return None


def streamed(prepared: Prepared, parts: FolderParts) -> Streamed:
    """The parts, whose rows go into the draft of the file as they are finished: of a study whose end is known."""
    return Streamed(parts, head_image(prepared), prepared.study.networks)


def finish(target: Target, prepared: Prepared, parts: Parts, attributes: dict[str, object]) -> None:
    """Assemble the file from its parts, then remove them."""
    head = head_image(prepared)
    assembly.assemble_file(head, parts, target.path, target.folder, {"state": "complete", **attributes})
    clear(target.folder)


def clear(folder: Path) -> None:
    """Remove the parts and the head, of which the file now holds everything."""
    (folder / HEAD).unlink(missing_ok=True)
    for part in folder.glob(ANY_PART):
        part.unlink(missing_ok=True)


def seal_of_file(path: Path) -> Seal:
    """What study a file says it is of; InputError where it is not one of mcflow's, or cannot be read."""
    import h5py

    if path.name != HEAD:  # which is ours, and never half written
        integrity.refuse_damage(path)
    try:
        with h5py.File(path, "r", locking=False) as file:
            return read_seal(file)
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise InputError(f"cannot read {path} as a study of mcflow: {error}") from None


def summaries_of(path: Path) -> tuple[int, dict[str, dict[str, NDArray[np.float64]]]]:
    """The number of networks of a file, and each case's summary: QUANTITY_STATISTIC to (layer,) numbers."""
    import h5py

    with h5py.File(path, "r", locking=False) as file:
        found = {name: {key: data[()] for key, data in file[name]["summary"].items()} for name in case_names(file)}
        return int(file.attrs["networks"]), found


def is_complete(path: Path) -> bool:
    """Whether a readable study file says that all of its networks are there."""
    import h5py

    with h5py.File(path, "r", locking=False) as file:
        return str(file.attrs["state"]) == "complete"


def _refuse_other(path: Path, mine: Seal) -> None:
    words = difference(seal_of_file(path), mine)
    if words:
        raise InputError(
            f"{path} is of another study: {words}; name another {option('path')}, or give {option('overwrite', True)}"
        )


def _refuse_fewer(path: Path, networks: int) -> None:
    """InputError where some case of a file has more networks than are asked for: it would lose them."""
    import h5py

    with h5py.File(path, "r", locking=False) as file:
        done = {name: int(file[name].attrs["networks_done"]) for name in case_names(file)}
    name, most = max(done.items(), key=lambda item: item[1])
    if most > networks:
        raise InputError(
            f"{path} has {most} networks of {name} already, and {networks} are asked for; give "
            f"{option('networks', most)} or more"
        )


def _extract(path: Path, parts: FolderParts) -> None:
    """Put the rows (or the folded networks) of a finished file back into parts."""
    import h5py

    with h5py.File(path, "r", locking=False) as file:
        identity = str(file.attrs["identity"])
        present, _ = usable(parts.names())
        for number, name in enumerate(case_names(file)):
            group, there = file[name], present.get(number, [])
            for part in _parts_of(group):
                if not any(name.first <= part.first and name.end >= part.end for name in there):
                    parts.write(number, part.first, part.count, part_image.encode(part, identity))


def _parts_of(group: h5py.Group) -> Iterator[Part]:
    """The parts that a finished file of a case is continued from: its rows, or its folded sets of whole groups."""
    if "continuation" in group:
        yield from part_image.decode_all(group["continuation"][()].tobytes())
    if "network" not in group:
        return
    size = int(group.attrs["part_networks"])
    quantities = [name for name in group if name in NAMES]
    index = group["network"][()]
    for place in sorted({int(network) // size for network in index}):
        chosen = (index // size) == place
        start, stop = int(chosen.argmax()), int(len(index) - chosen[::-1].argmax())
        rows = {name: group[name][start:stop] for name in quantities}
        counts = group["histogram"] if place == 0 and "histogram" in group else {}
        yield Part(
            int(index[start]),
            stop - start,
            rows,
            None,
            counts["preactivation"][()] if "preactivation" in counts else None,
            counts["gradient"][()] if "gradient" in counts else None,
            _logarithms(group, rows, slice(start, stop)),
        )


def _logarithms(group: h5py.Group, rows: dict[str, NDArray[np.float64]], networks: slice) -> dict[str, Any]:
    """Those logarithms beside ``rows`` that the plain values of these networks need."""
    out = {}
    for name, values in rows.items():
        if name + magnitudes.SUFFIX in group:
            found = magnitudes.needed(values, group[name + magnitudes.SUFFIX][networks])
            if found is not None:
                out[name] = found
    return out
