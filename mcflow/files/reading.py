"""Opening a study to read it: a finished file, or what a run that still goes has put into whole parts so far."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mcflow.errors import InputError, as_path
from mcflow.files import integrity
from mcflow.files.result import Result, open_binary

_TRIES = 5  # parts may be folded into one, or the file be finished, while they are read


@dataclass(frozen=True)
class Opened:
    """A study and ``note``: a sentence where it is not finished, else empty."""

    result: Result
    note: str


def open_study(path: str | Path) -> Opened:
    """The study at ``path``: the file, or the parts of a run that has not made it yet.

    Raises InputError for what is no study of mcflow, another format, a shard, a damaged file, or a run without a
    whole part.
    """
    path = as_path(path)
    if path.is_file():
        _refuse_text(path)
        if not integrity.is_as_written(path):  # where it is, nothing in it can crash the HDF5 library
            integrity.describe(path)
        return Opened(Result(path), "")
    from mcflow.files import target
    from mcflow.files.part_folder import HEAD

    folder = path if path.name.endswith(target.SUFFIX) else target.parts_folder(path)
    if path.is_dir() and path != folder:
        raise InputError(f"{path} is a folder; give a file that mcflow run wrote")
    if (folder / HEAD).is_file():
        return _running(path, folder)
    raise InputError(f"there is no file {path}; mcflow run -o {path} makes one")


def is_text_of_study(path: Path) -> bool:
    """Whether a file is the text of a study and not what a run of it gave."""
    return path.suffix == ".toml" and path.is_file()


def _refuse_text(path: Path) -> None:
    if is_text_of_study(path):
        raise InputError(
            f"{path} is a study that has not run; run it (mcflow run {path}) and give the file that it wrote"
        )


def _running(path: Path, folder: Path) -> Opened:
    from mcflow.files import assembly, live
    from mcflow.files.part_folder import HEAD, DamagedPart, FolderParts

    for _ in range(_TRIES):
        running = live.look(folder)
        if running is None:
            return open_study(path)
        done, asked = running.networks_done, running.networks
        lacking = [name for name, networks in done.items() if networks == 0]
        if len(lacking) == len(done):
            raise InputError(f"the run of {path} has no whole part yet; try again when it has gone on")
        if lacking:
            raise InputError(f"the run of {path} has no whole part of {lacking[0]} yet; try again when it has gone on")
        try:
            image = assembly.assemble_image((folder / HEAD).read_bytes(), FolderParts(folder), {"state": "running"})
        except (FileNotFoundError, DamagedPart, KeyError):
            continue
        so_far = ", ".join(f"{networks} of {asked} of {name}" for name, networks in done.items())
        state = "still going" if running.writer else "interrupted"
        return Opened(Result(None, image), f"this run is {state}: judged by the networks so far, {so_far}")
    raise InputError(f"the parts in {folder} change too fast to be read, or are damaged; try again")


def open(path: str | Path) -> Result:
    """The study in a file; InputError where there is none, or its bytes have changed since they were written."""
    where = as_path(path)
    _refuse_text(where)
    open_binary(where).close()
    integrity.refuse_damage(where)
    return Result(where)
