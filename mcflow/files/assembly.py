"""Head and parts into one file, checked before it takes its name."""

from __future__ import annotations

import io
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mcflow import machine
from mcflow.files import part_image
from mcflow.files.atomic import TEMPORARY, ReservedFile, digest, seal_and_replace
from mcflow.files.datasets import create, put, put_index, put_length, read_through
from mcflow.files.part_folder import PartName, Parts, usable
from mcflow.files.schema import entry
from mcflow.files.seal import case_names
from mcflow.methods import cost
from mcflow.sampling import blocks
from mcflow.sampling.fold import Folding, KeptRows
from mcflow.sampling.part import Part, fold, halves_merged
from mcflow.statistics import magnitudes, summaries
from mcflow.statistics.summaries import Accumulator

if TYPE_CHECKING:
    import h5py

_COLUMN_BYTES = 1 << 24  # rows that a thread holds while exact quantiles are taken; they are copied once
_MOST_THREADS = 4  # that sort: with more they would wait for what is read


def assemble_file(head: bytes, parts: Parts, path: Path, folder: Path, attributes: dict[str, Any]) -> None:
    """Make ``path`` from a head and its parts; ``folder`` takes the temporary file.

    ``attributes`` are put on the root. The file is complete, checked and on the disk before it gets its name; an
    OSError says that it could not be, and then nothing of it stays.
    """
    temporary = folder / f"assembly.{os.getpid()}{TEMPORARY}"
    try:
        with ReservedFile(temporary) as target:
            _assemble(head, parts, target, attributes)
            target.sync()
        with ThreadPoolExecutor(1) as beside:
            bytes_of_it = beside.submit(digest, temporary)
            check_readable(temporary)
            seal_and_replace(temporary, path, bytes_of_it.result())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def assemble_image(head: bytes, parts: Parts, attributes: dict[str, Any]) -> bytes:
    """The same file as bytes in memory."""
    target = io.BytesIO()
    _assemble(head, parts, target, attributes)
    return target.getvalue()


def check_readable(path: Path) -> None:
    """Read every byte of every dataset, so that every checksum is looked at; OSError where one fails."""
    import h5py

    with h5py.File(path, "r", locking=False) as file:
        for name, reason in read_through(file):
            if reason:
                raise OSError(f"{path}: {name} cannot be read back: {reason}")


def _assemble(head: bytes, parts: Parts, target: ReservedFile | io.BytesIO, attributes: dict[str, Any]) -> None:
    import h5py

    target.write(head)
    target.seek(0)
    chosen, _ = usable(parts.names())
    with h5py.File(target, "r+") as file:
        for key, value in attributes.items():
            file.attrs[key] = value
        for number, name in enumerate(case_names(file)):
            mine = chosen.get(number, [])
            group = file[name]
            group.attrs["networks_done"] = sum(part.networks for part in mine)
            if file.attrs["keep"] == "networks":
                accumulators, first = _put_rows(group, mine, parts, target)
            else:
                accumulators, first = _fold_parts(group, mine, parts)
            _put_summary(group, accumulators)
            if first is not None:
                _put_counts(group, first)
            _raise_failure(target)
    _raise_failure(target)


def _raise_failure(target: ReservedFile | io.BytesIO) -> None:
    if isinstance(target, ReservedFile) and target.failure is not None:
        raise target.failure


def _put_rows(
    group: h5py.Group, names: list[PartName], parts: Parts, target: ReservedFile | io.BytesIO
) -> tuple[dict[str, Accumulator], Part | None]:
    """Write the rows part by part; returns each quantity's accumulator, and part 0 for its counts."""
    depth = len(group["layer"])
    size = sum(name.networks for name in names)
    folding = Folding(cost.group_size(int(group.attrs["part_networks"])), sketched=False, threads=machine.cores())
    zeroth: Part | None = None
    start = 0
    for name in names:
        part = part_image.decode(parts.read(name))
        assert part.rows is not None
        if start == 0:
            create(group, entry("CASE", "network"), (size,), np.int64)
            for quantity in part.rows:
                create(group, entry("CASE", quantity), (size, depth), np.float64)
        stop = start + part.count
        group["network"][start:stop] = np.arange(part.first, part.end)
        for quantity, rows in part.rows.items():
            group[quantity][start:stop] = rows
            _put_logarithms(group, part, quantity, start)
        folding.add_groups(KeptRows(part.rows, part.log2))
        if part.first == 0:
            zeroth = part
        start = stop
        _raise_failure(target)
    return folding.result() if start else {}, zeroth


def _put_logarithms(group: h5py.Group, part: Part, quantity: str, start: int) -> None:
    """The logarithms of a part's rows, from the first part on that needs them, and then of all parts."""
    name = quantity + magnitudes.SUFFIX
    if name not in group:
        if quantity not in part.log2:
            return
        create(group, entry("CASE", name), group[quantity].shape, np.float64)
        step = max(1, _COLUMN_BYTES // (8 * group[quantity].shape[1]))
        for first in range(0, start, step):
            before = slice(first, min(first + step, start))
            group[name][before] = magnitudes.log2_of(group[quantity][before])
    group[name][start : start + part.count] = blocks.logarithms(part, quantity)


def _fold_parts(group: h5py.Group, names: list[PartName], parts: Parts) -> tuple[dict[str, Accumulator], Part | None]:
    """All networks as one, and the sets of whole groups for a later --resume."""
    merged = halves_merged(part_image.decode(parts.read(name)) for name in names)
    if not merged:
        return {}, None
    size = cost.group_size(int(group.attrs["part_networks"]))
    whole = [part for part in merged if part.count % size == 0]
    if whole:
        image = np.frombuffer(part_image.encode_all(whole, str(group.file.attrs["identity"])), dtype=np.uint8)
        put_length(group, entry("CASE", "byte"), len(image))
        put(group, entry("CASE", "continuation"), image)
    total = fold(merged)
    return total.accumulators or {}, total


def _put_summary(group: h5py.Group, accumulators: dict[str, Accumulator]) -> None:
    summary = group.create_group("summary")
    depth = len(group["layer"])
    put_index(summary, entry("CASE/summary", "layer"), depth, first=1)
    described = {name: dict(summaries.describe(accumulator)) for name, accumulator in accumulators.items()}
    exact = [name for name, accumulator in accumulators.items() if accumulator.sketch is None]
    rows = [(group[name], group.get(name + magnitudes.SUFFIX)) for name in exact]
    with ThreadPoolExecutor(min(_MOST_THREADS, machine.cores())) as pool:
        for name, found in zip(exact, pool.map(lambda pair: _quantiles(*pair), rows), strict=True):
            described[name] |= found
    for quantity, found in described.items():
        for statistic, values in found.items():
            put(summary, entry("CASE/summary", f"{quantity}_{statistic}"), values)


def _quantiles(rows: h5py.Dataset, log2: h5py.Dataset | None) -> dict[str, Any]:
    """Exact quantiles of (network, layer) rows, a few layers at a time."""
    networks, depth = rows.shape
    step = max(1, _COLUMN_BYTES // (8 * networks))
    pieces = []
    for start in range(0, depth, step):
        layers = slice(start, start + step)
        pieces.append(summaries.exact_quantiles(rows[:, layers], None if log2 is None else log2[:, layers]))
    found = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
    plain = {name: values for name, values in found.items() if name in summaries.QUANTILES}
    for name, values in plain.items():
        logs = found.get(name + magnitudes.SUFFIX)
        if logs is not None and magnitudes.needed(values, logs) is not None:
            plain = plain | {name + magnitudes.SUFFIX: logs}
    return plain


def _put_counts(group: h5py.Group, part: Part) -> None:
    for name, counts in (("preactivation", part.preactivation_counts), ("gradient", part.gradient_counts)):
        if counts is not None and "histogram" in group:
            put(group["histogram"], entry("CASE/histogram", name), counts)
