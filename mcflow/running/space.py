"""Whether this machine has the memory and the disk that a run will need."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mcflow import machine
from mcflow.errors import InputError, option
from mcflow.methods.cost import in_bytes, memory_needed, refuse_large, row_bytes
from mcflow.running.division import Division

if TYPE_CHECKING:
    from mcflow.files.shards import Shard
    from mcflow.plan import Prepared
_SLACK = 1.05  # HDF5's own structures and the dimension scales
_PER_PART = 40_000  # HDF5's structures in one part
_WAITING_PARTS = 40
_SKETCH_BYTES = 64_000  # of one layer, all quantities


def disk_needed(prepared: Prepared, shard: Shard | None = None) -> int:
    """Bytes of parts and file together while the file (or the shard's) is made."""
    total = 0
    study, division = prepared.study, Division.of(prepared, shard)
    for job, size in zip(prepared.jobs, division.sizes, strict=True):
        parts = -(-study.networks // size)
        if shard is not None:
            parts = -(-parts // shard.of)
        networks = min(study.networks, parts * size)
        if study.keep == "networks":
            total += 2 * int(_SLACK * row_bytes(job.case, study.backward) * networks) + _PER_PART * parts
        else:  # few parts wait to be folded, a shard's all; a sketch is as large as the spread of its values
            waiting = min(parts, _WAITING_PARTS) if shard is None else 2 * parts
            total += waiting * job.program.depth * _SKETCH_BYTES
    return total


def check(prepared: Prepared, folder: Path | None, threads: int, shard: Shard | None = None) -> None:
    """InputError where this machine has too little memory, or the disk of ``folder`` too little room (for a shard)."""
    study = prepared.study
    for job in prepared.jobs:
        networks = min(job.part, study.networks)
        needed = memory_needed(job.case, job.inputs.shape[1], job.method, networks, study.backward, threads)
        if folder is None and study.keep == "networks":
            needed += 3 * study.networks * row_bytes(job.case, study.backward)
        refuse_large(job.name, needed)
    if folder is None:
        return
    there = sum(path.stat().st_size for path in folder.glob("*.h5")) if folder.is_dir() else 0
    room, needed = machine.available_disk(folder), max(0, disk_needed(prepared, shard) - there)
    if room == 0:
        raise InputError(
            f"cannot write to {folder.parent}: the disk there has no free space; name another {option('path')}"
        )
    if needed > room:
        what = "the study" if shard is None else f"shard {shard}"
        raise InputError(
            f"{what} needs about {in_bytes(needed)} of disk at {folder.parent} and {in_bytes(room)} are free; "
            f"give fewer networks, {option('keep', 'summary')}, or another {option('path')}"
        )
