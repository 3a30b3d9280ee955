"""What a run will need of memory and disk, estimated before it starts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mcflow import machine
from mcflow.blocks import BACKWARD, FORWARD
from mcflow.errors import InputError

if TYPE_CHECKING:
    from mcflow.preparation import Prepared
    from mcflow.shards import Shard
    from mcflow.study import Case

_PROGRAM = 200 << 20  # the interpreter with Numba, SciPy and HDF5 loaded
_KEPT_WEIGHTS = 64 << 20  # weights that a thread may keep between the passes
_PER_INPUT = 16  # numbers that theory holds of one input
_PAIRS = 1 << 14  # pairs of inputs that theory lists: more are counted in bins of their angle
_PAIR_BYTES = 60  # of one of them, a layer
_COUNTING = 64 << 20  # while more are counted
_SLACK = 1.05  # HDF5's own structures and the dimension scales
_PER_PART = 40_000  # HDF5's structures in one part
_WAITING_PARTS = 18
_SKETCH_BYTES = 16_000  # of one layer, all quantities


def row_bytes(case: Case, backward: bool) -> int:
    """Bytes of one network's rows."""
    return len(case.widths) * 8 * (len(FORWARD) + (len(BACKWARD) if backward else 0))


def memory_needed(
    case: Case, features: int, method: str, networks: int, backward: bool = True, threads: int = 1
) -> int:
    """Bytes at the worst moment of one case for inputs of ``features`` entries.

    The inputs and their copies, theory's pairs of inputs, the rows of a part of ``networks`` networks three times, and
    each thread's layers and weights.
    """
    pairs = case.batch * (case.batch - 1) // 2 if case.correlation is None else case.batch // 2
    inputs = 8 * case.batch * (3 * features + _PER_INPUT) + _PAIR_BYTES * len(case.widths) * min(pairs, _PAIRS)
    inputs += _COUNTING if pairs > _PAIRS else 0
    rows = 3 * networks * row_bytes(case, backward)
    widest = max(*case.widths, features)
    if method == "direct":
        layers = len(case.widths) if backward else 2
        per_thread = 4 * case.batch * (sum(case.widths) if layers > 2 else 2 * widest)
        fan_in = (features, *case.widths[:-1])
        weights = 4 * sum(i * o for i, o in zip(fan_in, case.widths, strict=True))
        per_thread += min(weights, _KEPT_WEIGHTS)
        if case.rule.distribution == "orthogonal":
            per_thread += 3 * 8 * widest * widest
    else:
        per_thread = 8 * 8 * case.batch * widest
    return _PROGRAM + inputs + rows + threads * per_thread


def refuse_large(name: str, needed: int) -> None:
    """InputError where case ``name`` needs more memory than this process can have."""
    memory = machine.available_memory()
    if needed > memory:
        raise InputError(
            f"{name} needs about {_size(needed)} of memory and {_size(memory)} are free; "
            "give a smaller width, depth or batch, or fewer --threads"
        )


def disk_needed(prepared: Prepared, shard: Shard | None = None) -> int:
    """Bytes of parts and file together while the file (or the shard's) is made."""
    total = 0
    for job in prepared.jobs:
        parts = -(-prepared.study.networks // job.part)
        if shard is not None:
            parts = -(-parts // shard.of)
        networks = min(prepared.study.networks, parts * job.part)
        if prepared.study.keep == "networks":
            total += 2 * int(_SLACK * row_bytes(job.case, prepared.study.backward) * networks) + _PER_PART * parts
        else:  # few parts wait to be folded, a shard's all; a sketch is as large as the spread of its values
            waiting = min(parts, _WAITING_PARTS) if shard is None else 2 * parts
            total += waiting * len(job.layers.width) * _SKETCH_BYTES
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
        raise InputError(f"cannot write to {folder.parent}: the disk there has no free space; name another -o")
    if needed > room:
        what = "the study" if shard is None else f"shard {shard}"
        raise InputError(
            f"{what} needs about {_size(needed)} of disk at {folder.parent} and {_size(room)} are free; "
            "give fewer networks, --keep summary, or another -o"
        )


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            break
        count /= 1000
    return f"{count:.3g} {unit}"
