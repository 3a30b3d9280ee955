"""Shards merged into one file: which there are, whether they belong together, and what is missing."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from mcflow.errors import InputError, Unfinished, as_path, option
from mcflow.files import assembly
from mcflow.files import target as store
from mcflow.files.part_folder import PartName
from mcflow.files.result import Result
from mcflow.files.seal import difference
from mcflow.files.shards import NAMED, ShardFile, ShardParts, read_shard
from mcflow.files.target import Target
from mcflow.plural import counted


def merge(
    shards: str | Path | Iterable[str | Path],
    path: str | Path,
    *,
    partial: bool = False,
    overwrite: bool = False,
    say: Callable[[str], None] | None = None,
) -> Result:
    """Merge shards of one study into the file ``path`` and open it: the same bits as one run would have made.

    ``shards`` are the files that shards wrote, or folders of them. Again for the same shards it finds nothing to do.
    ``partial`` merges what is there where shards are missing, ``overwrite`` replaces a file of another study. ``say``
    is told what was done. Raises InputError where the shards do not belong together or ``path`` is of another study,
    Unfinished where shards are missing and ``partial`` is not set, or the disk takes no more.
    """
    paths = list(shards) if isinstance(shards, Iterable) and not isinstance(shards, str) else [shards]
    output = as_path(path)
    done = _merge_to_file([as_path(each, "shard") for each in paths], output, partial, overwrite)
    if say is not None:
        say(done)
    return Result(output)


def _merge_to_file(paths: Sequence[Path], output: Path, partial: bool, overwrite: bool) -> str:
    files = find_shards(paths)
    check_together(files)
    if output.exists() and not overwrite:
        there = store.seal_of_file(output)
        words = difference(there, files[0].seal)
        if words or there.networks != files[0].seal.networks:
            words = words or f"networks is {there.networks} there and {files[0].seal.networks} in the shards"
            raise InputError(
                f"{output} exists and is of another study: {words}; give {option('overwrite', True)} to replace it"
            )
        if store.is_complete(output):
            return "already merged, nothing to do"
    target = Target(output, overwrite=True)
    with store.opened(target, lambda sentence: None) as parts:
        if parts.names():
            raise InputError(
                f"{parts.folder} holds parts of an unfinished run; finish it, or name another {option('path')}"
            )
        try:
            lacking = _assemble(files, target.path, parts.folder, partial)
        except OSError as error:
            raise Unfinished(f"cannot write {output}: {error.strerror or error}; the shards are as they were") from None
    return f"merged {counted(len(files), 'shard')}" + (f"; {lacking}" if lacking else "")


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
    held: list[tuple[PartName, Path]] = []
    for file in files:
        words = difference(first.seal, file.seal)
        if words:
            raise InputError(f"{file.path} is of another study than {first.path}: {words}")
        if file.seal.networks != first.seal.networks:
            raise InputError(
                f"{file.path} is of {file.seal.networks} networks, {first.path} of {first.seal.networks}; "
                f"shards must be made with the same {option('networks')}"
            )
        held += [(name, file.path) for name in file.names]
    held.sort(key=lambda each: (each[0].case, each[0].first))
    for (name, before), (other, path) in itertools.pairwise(held):
        if name.case == other.case and other.first < name.end:
            shared = f"networks {other.first} to {min(name.end, other.end) - 1} of case {name.case}"
            raise InputError(f"{path} and {before} both hold {shared}; give one")


def missing(files: Sequence[ShardFile]) -> str:
    """Which shards are missing, in words; empty where all networks of every case are there."""
    seal = files[0].seal
    wanted = seal.networks * len(seal.methods)
    lacking = wanted - sum(name.networks for file in files for name in file.names)
    if not lacking:
        return ""
    counts = {file.shard.of for file in files}
    words = f"{lacking} of {counted(wanted, 'network')} are missing"
    if len(counts) == 1:
        of = counts.pop()
        there = {file.shard.number for file in files}
        absent = list(itertools.islice((number for number in range(of) if number not in there), NAMED + 1))
        if absent:
            words += "; missing shards: " + ", ".join(f"{number}/{of}" for number in absent[:NAMED])
            words += f" and {of - len(there) - NAMED} more" if len(absent) > NAMED else ""
    return words


def _assemble(files: Sequence[ShardFile], output: Path, folder: Path, partial: bool) -> str:
    """Merge checked shards into the file ``output``, bit for bit that of one run; returns what is missing, in words.

    ``folder`` takes the temporary file. Raises Unfinished where some are missing and ``partial`` is not set, OSError
    where the disk does not take the file.
    """
    lacking = missing(files)
    if lacking and not partial:
        raise Unfinished(f"{lacking}; make them, or give {option('partial', True)} to merge what is there")
    devices = dict.fromkeys(device for file in files for device in file.seal.device.split(", "))
    attributes = {"state": "running" if lacking else "complete", "device": ", ".join(devices)}
    assembly.assemble_file(files[0].head, ShardParts(files), output, folder, attributes)
    return lacking
