"""What a run will need of memory and disk, estimated before it starts."""

from __future__ import annotations

from pathlib import Path

from mcflow import machine
from mcflow.blocks import BACKWARD, FORWARD
from mcflow.errors import InputError
from mcflow.preparation import Job, Prepared

_PROGRAM = 200 << 20  # the interpreter with Numba, SciPy and HDF5 loaded
_KEPT_WEIGHTS = 64 << 20  # weights that a thread may keep between the passes
_SLACK = 1.05  # HDF5's own structures and the dimension scales
_PER_PART = 40_000  # HDF5's structures in one part
_WAITING_PARTS = 18
_SKETCH_BYTES = 16_000  # of one layer, all quantities


def row_bytes(job: Job, backward: bool) -> int:
    """Bytes of one network's rows."""
    return len(job.layers.width) * 8 * (len(FORWARD) + (len(BACKWARD) if backward else 0))


def memory_needed(job: Job, prepared: Prepared, threads: int) -> int:
    """Bytes at the worst moment of one case: rows of a part three times, and each thread's layers and weights."""
    rows = 3 * min(job.part, prepared.study.networks) * row_bytes(job, prepared.study.backward)
    widest = int(max(job.layers.width.max(), job.inputs.shape[1]))
    if job.method == "direct":
        layers = len(job.layers.width) if prepared.study.backward else 2
        per_thread = 4 * job.case.batch * (int(job.layers.width.sum()) if layers > 2 else 2 * widest)
        weights = int((job.layers.width * job.layers.fan_in).sum()) * 4
        per_thread += min(weights, _KEPT_WEIGHTS)
        if job.case.rule.distribution == "orthogonal":
            per_thread += 3 * 8 * widest * widest
    else:
        per_thread = 8 * 8 * job.case.batch * widest
    return _PROGRAM + rows + threads * per_thread


def disk_needed(prepared: Prepared) -> int:
    """Bytes of parts and file together while the file is made."""
    networks = prepared.study.networks
    total = 0
    for job in prepared.jobs:
        parts = -(-networks // job.part)
        if prepared.study.keep == "networks":
            total += 2 * int(_SLACK * row_bytes(job, prepared.study.backward) * networks) + _PER_PART * parts
        else:  # few parts wait to be folded, and a sketch is as large as the spread of its values
            total += min(parts, _WAITING_PARTS) * len(job.layers.width) * _SKETCH_BYTES
    return total


def check(prepared: Prepared, folder: Path | None, threads: int) -> None:
    """InputError where this machine has too little memory, or the disk of ``folder`` too little room."""
    memory = machine.available_memory()
    for job in prepared.jobs:
        needed = memory_needed(job, prepared, threads)
        if folder is None and prepared.study.keep == "networks":
            needed += 3 * prepared.study.networks * row_bytes(job, prepared.study.backward)
        if needed > memory:
            raise InputError(
                f"{job.name} needs about {_size(needed)} of memory and {_size(memory)} are free; "
                "give a smaller width, depth or batch, or fewer --threads"
            )
    if folder is None:
        return
    there = sum(path.stat().st_size for path in folder.glob("*.h5")) if folder.is_dir() else 0
    room, needed = machine.available_disk(folder), max(0, disk_needed(prepared) - there)
    if needed > room:
        raise InputError(
            f"the study needs about {_size(needed)} of disk at {folder.parent} and {_size(room)} are free; "
            "give fewer networks, --keep summary, or another -o"
        )


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            break
        count /= 1000
    return f"{count:.3g} {unit}"
