"""A study while it runs, seen from outside: what its folder of parts says. Nothing is locked or written."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mcflow.errors import InputError
from mcflow.files import integrity, lock, part_image
from mcflow.files.part_folder import HEAD, DamagedPart, FolderParts, PartName, usable
from mcflow.plural import counted
from mcflow.statistics import magnitudes, moments
from mcflow.statistics.moments import Moments


@dataclass(frozen=True)
class Running:
    """What a folder of parts holds: the head's description, networks in whole parts per case, and who writes."""

    head: dict[str, Any]
    networks_done: dict[str, int]
    writer: str | None

    def record(self) -> dict[str, Any]:
        """The same as plain data."""
        state = "running" if self.writer else "interrupted"
        return {"state": state, "writer": self.writer, "networks_done": self.networks_done}

    @property
    def networks(self) -> int:
        """Networks asked for, of each case."""
        return int(self.head["root"]["networks"])


def look(folder: Path) -> Running | None:
    """The study in a folder of parts; None where there is none (yet, or any more)."""
    head = folder / HEAD
    if not head.exists():
        return None
    try:
        described = integrity.describe(head)
        names = _names(folder)
    except (InputError, OSError):
        if not head.exists():  # it ended while it was looked at
            return None
        raise
    done = [0] * len(described["cases"])
    for name in names:
        if name.case < len(done):
            done[name.case] += name.networks
    cases = [str(case["name"]) for case in described["cases"]]
    return Running(described, dict(zip(cases, done, strict=True)), lock.holder(folder))


def check(folder: Path) -> str:
    """Read every byte of every part; a sentence, or InputError that names the damaged ones."""
    parts = FolderParts(folder)
    names = parts.names()
    damaged = []
    for name in names:
        try:
            parts.read(name)
        except DamagedPart:
            damaged.append(str(name))
        except FileNotFoundError:
            continue  # folded or assembled meanwhile
    if damaged:
        raise InputError(f"{folder} has damaged parts: {', '.join(damaged)}; mcflow run --resume computes them again")
    verb = "is" if len(names) == 1 else "are"
    return f"{counted(len(names), 'part')} in {folder} {verb} whole"


class Flowing:
    """The mean of a second moment per layer over the parts so far; each part is read once."""

    def __init__(self, folder: Path, quantity: str) -> None:
        self._folder = folder
        self._quantity = quantity
        self._seen: dict[PartName, Moments] = {}

    def log10_means(self, case: int) -> np.ndarray[Any, np.dtype[np.float64]] | None:
        """(layer,) decimal logarithms of the means of case number ``case``; None before its first part."""
        found = []
        for name in _names(self._folder):
            if name.case != case:
                continue
            if name not in self._seen:
                with contextlib.suppress(OSError, DamagedPart, KeyError):
                    self._seen[name] = self._moments(name)
            if name in self._seen:
                found.append(self._seen[name])
        if not found:
            return None
        total = moments.fold(found)
        return magnitudes.LOG10_2 * (magnitudes.log2_of(total.mean) + total.exponent)

    def _moments(self, name: PartName) -> Moments:
        part = part_image.decode(FolderParts(self._folder).read(name))
        if part.rows is not None:
            return moments.moments(part.rows[self._quantity], log2=part.log2.get(self._quantity))
        assert part.accumulators is not None
        return part.accumulators[self._quantity].value


def _names(folder: Path) -> list[PartName]:
    chosen, _ = usable(FolderParts(folder).names())
    return [name for names in chosen.values() for name in names]
