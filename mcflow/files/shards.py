"""Shards: one study's parts made by several runs, each into a file of its own, and those merged into one."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mcflow.errors import InputError, option
from mcflow.files import assembly
from mcflow.files.atomic import TEMPORARY, TRAILER_SIZE, ReservedFile, digest, read_trailer, seal_and_replace
from mcflow.files.part_folder import PartName, Parts
from mcflow.files.schema import FORMAT_VERSION, SHARD_FORMAT
from mcflow.files.seal import Seal, difference, read_seal

NAMED = 20  # missing shards that a sentence names


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

    def write(self, case: int, first: int, networks: int, image: bytes) -> PartName:
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
        seal_and_replace(temporary, path, digest(temporary))
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
        if digest(path, path.stat().st_size - TRAILER_SIZE, stated) != stated:
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
        raise InputError(
            f"{path} is of another run: {words}; name another {option('path')}, or give {option('overwrite', True)}"
        )
