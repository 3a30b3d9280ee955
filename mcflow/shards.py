"""Shards: one study's parts made by several runs, each into a file of its own, and those merged into one."""

from __future__ import annotations

import io
import itertools
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mcflow import assembly
from mcflow.errors import InputError, Unfinished
from mcflow.files import TEMPORARY, TRAILER_SIZE, ReservedFile, digest, read_trailer, seal_and_replace
from mcflow.head import Seal, case_names, difference, read_seal
from mcflow.parts import PartName, Parts
from mcflow.schema import FORMAT_VERSION, SHARD_FORMAT

_NAMED = 20  # missing shards that a sentence names


@dataclass(frozen=True)
class Shard:
    """The share of a study that one run computes: every ``of``-th part, starting at ``number``."""

    number: int
    of: int

    def __post_init__(self) -> None:
        if not (0 <= self.number < self.of):
            raise InputError(f"shard {self.number}/{self.of}: give i/n with 0 <= i < n, as in 0/4")

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @classmethod
    def parse(cls, text: str) -> Shard:
        """``i/n``, or ``auto``: the place of this task in a SLURM job array."""
        if text == "auto":
            names = ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT")
            missing = [name for name in names if name not in os.environ]
            if missing:
                raise InputError(f"--shard auto: {missing[0]} is not set; start it from a job array, or give i/n")
            first = os.environ.get("SLURM_ARRAY_TASK_MIN", "0")
            try:
                return cls(int(os.environ[names[0]]) - int(first), int(os.environ[names[1]]))
            except ValueError:
                raise InputError("--shard auto: the SLURM_ARRAY_TASK variables are not whole numbers") from None
        found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
        if found is None:
            raise InputError(f"--shard {text}: give i/n, as in 0/4, or auto")
        return cls(int(found[1]), int(found[2]))


@dataclass(frozen=True)
class ShardFile:
    """A shard on disk: which it is, of which study, the study's head, and the parts in it."""

    path: Path
    shard: Shard
    seal: Seal
    head: bytes
    names: tuple[PartName, ...]


class ShardParts:
    """The parts of several shard files, as one store to read from."""

    def __init__(self, files: Sequence[ShardFile]) -> None:
        self._home = {name: file.path for file in files for name in file.names}

    def names(self) -> list[PartName]:
        return sorted(self._home)

    def read(self, name: PartName) -> bytes:
        import h5py

        with h5py.File(self._home[name], "r", locking=False) as file:
            return bytes(file[f"parts/{name}"][()].tobytes())

    def write(self, case: int, number: int, networks: int, image: bytes, is_prefix: bool = False) -> PartName:
        raise TypeError("a shard file is read only")

    def remove(self, name: PartName) -> None:
        raise TypeError("a shard file is read only")


def write_shard(shard: Shard, head: bytes, parts: Parts, path: Path, folder: Path) -> None:
    """Put all parts of a shard into one file; OSError where the disk does not take it, and then nothing stays."""
    import h5py

    temporary = folder / f"shard.{os.getpid()}{TEMPORARY}"
    try:
        with ReservedFile(temporary) as target:
            with h5py.File(target, "w") as file:
                file.attrs["format"] = SHARD_FORMAT
                file.attrs["format_version"] = FORMAT_VERSION
                file.attrs["shard"] = str(shard)
                _put_bytes(file, "head", head)
                file.create_group("parts")
                for name in parts.names():
                    _put_bytes(file, f"parts/{name}", parts.read(name))
                    if target.failure is not None:
                        raise target.failure
            target.sync()
        assembly.check_readable(temporary)
        seal_and_replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _put_bytes(file: object, name: str, image: bytes) -> None:
    values = np.frombuffer(image, dtype=np.uint8)
    file.create_dataset(  # type: ignore[attr-defined]
        name, data=values, chunks=(min(len(values), 1 << 19),), fletcher32=True
    )


def read_shard(path: Path) -> ShardFile:
    """A shard file, checked against its own digest before HDF5 reads it; InputError where it is not whole."""
    import h5py

    try:
        stated = read_trailer(path)
        if stated is None:
            raise InputError(f"{path} is not a shard of mcflow, or its end is cut off")
        if digest(path, path.stat().st_size - TRAILER_SIZE) != stated:
            raise InputError(f"{path} is damaged: its bytes are not those that were written; make this shard again")
        with h5py.File(path, "r", locking=False) as file:
            if file.attrs.get("format") != SHARD_FORMAT:
                raise InputError(f"{path} is a file of mcflow, but not a shard; merge takes what --shard wrote")
            head = file["head"][()].tobytes()
            with h5py.File(io.BytesIO(head), "r") as inner:
                seal = read_seal(inner)
            names = [PartName.parse(name) for name in file["parts"]]
            whole = tuple(sorted(name for name in names if name is not None))
            return ShardFile(path, Shard.parse(str(file.attrs["shard"])), seal, head, whole)
    except InputError:
        raise
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise InputError(f"cannot read the shard {path}: {error}") from None


def refuse_other_shard(path: Path, seal: Seal, shard: Shard) -> None:
    """InputError where ``path`` is not this very shard of this very study."""
    there = read_shard(path)
    words = difference(there.seal, seal)
    if not words and there.seal.networks != seal.networks:
        words = f"networks is {there.seal.networks} there and {seal.networks} here"
    if not words and there.shard != shard:
        words = f"shard is {there.shard} there and {shard} here"
    if words:
        raise InputError(f"{path} is of another run: {words}; name another -o, or give --overwrite")


def find_shards(paths: Sequence[Path]) -> list[ShardFile]:
    """The shard files at ``paths``, a folder standing for those in it; each once, in the order of their numbers."""
    found: dict[Path, ShardFile] = {}
    for path in paths:
        if not path.exists():
            raise InputError(f"there is no shard {path}")
        for file in sorted(path.glob("*.h5")) if path.is_dir() else [path]:
            found.setdefault(file.resolve(), read_shard(file))
    if not found:
        raise InputError("no shards there; give the files that --shard wrote, or their folder")
    return sorted(found.values(), key=lambda file: file.shard.number)


def check_together(files: Sequence[ShardFile]) -> None:
    """InputError where the shards are of different studies or share a part."""
    first = files[0]
    owner: dict[tuple[int, int], Path] = {}
    for file in files:
        words = difference(first.seal, file.seal)
        if words:
            raise InputError(f"{file.path} is of another study than {first.path}: {words}")
        if file.seal.networks != first.seal.networks:
            raise InputError(
                f"{file.path} is of {file.seal.networks} networks, {first.path} of {first.seal.networks}; "
                "shards must be made with the same --networks"
            )
        for name in file.names:
            before = owner.setdefault((name.case, name.number), file.path)
            if before != file.path:
                raise InputError(f"{file.path} and {before} both hold part {name.number} of case {name.case}; give one")


def missing(files: Sequence[ShardFile]) -> str:
    """Which shards are missing, in words; empty where every part of the study is there."""
    wanted = _wanted(files[0])
    present = {(name.case, name.number) for file in files for name in file.names}
    lacking = sum(wanted) - sum(number < wanted[case] for case, number in present)
    if not lacking:
        return ""
    counts = {file.shard.of for file in files}
    words = f"{lacking} of {sum(wanted)} parts are missing"
    if len(counts) == 1:
        of = counts.pop()
        there = {file.shard.number for file in files}
        absent = list(itertools.islice((number for number in range(of) if number not in there), _NAMED + 1))
        if absent:
            words += "; missing shards: " + ", ".join(f"{number}/{of}" for number in absent[:_NAMED])
            words += f" and {of - len(there) - _NAMED} more" if len(absent) > _NAMED else ""
    return words


def _wanted(file: ShardFile) -> list[int]:
    """How many parts each case of the whole study has."""
    import h5py

    with h5py.File(io.BytesIO(file.head), "r") as head:
        sizes = [int(head[name].attrs["part_networks"]) for name in case_names(head)]
    return [-(-file.seal.networks // size) for size in sizes]


def merge(files: Sequence[ShardFile], output: Path, folder: Path, partial: bool) -> str:
    """Merge checked shards into the file ``output``, bit for bit that of one run; returns what is missing, in words.

    ``folder`` takes the temporary file. Raises Unfinished where some are missing and ``partial`` is not set, OSError
    where the disk does not take the file.
    """
    lacking = missing(files)
    if lacking and not partial:
        raise Unfinished(f"{lacking}; make them, or give --partial to merge what is there")
    state = "running" if lacking else "complete"
    assembly.assemble_file(files[0].head, ShardParts(files), output, folder, {"state": state})
    return lacking
