"""A study's file on its way: the head, the rows of parts as they are finished, and at the end all that is said of them.

The parts stay what a run is continued from. A draft is made anew from them whenever it was lost or did not fit.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

from mcflow.files import part_image
from mcflow.files.atomic import ReservedFile
from mcflow.files.case_rows import CaseRows
from mcflow.files.case_summary import put_counts, put_summary
from mcflow.files.datasets import put, put_length
from mcflow.files.part_folder import PartName, Parts
from mcflow.files.schema import entry
from mcflow.files.seal import case_names
from mcflow.methods import cost
from mcflow.sampling.part import Part, fold, halves_merged
from mcflow.statistics.summaries import Accumulator


class Draft:
    """A file on its way in ``target``, from the image of its head.

    ``networks`` of each case there will be, where parts are put before all are there; else those that there are.
    """

    def __init__(self, head: bytes, target: ReservedFile | io.BytesIO, networks: int | None = None) -> None:
        self._target, self._networks = target, networks
        target.write(head)
        target.seek(0)
        self._raise_failure()  # what was not written cannot be opened
        self._file = h5py.File(target, "r+")
        self._names = case_names(self._file)
        self._rows: dict[int, CaseRows] = {}
        self._put: set[PartName] = set()
        self._finished: set[int] = set()

    def put(self, name: PartName, image: bytes) -> None:
        """Put the rows of a part, and the summary of its case after the last one; OSError where the disk is full."""
        assert self._networks is not None
        self._put_rows(name, image, name.first, self._networks)
        if self._rows[name.case].is_whole:
            self._finish_rows(name.case, self._networks)
        self._raise_failure()

    def suits(self, chosen: Mapping[int, list[PartName]]) -> bool:
        """Whether this becomes the file of those parts: all networks of every case, and nothing else was put."""
        every = {name for names in chosen.values() for name in names}
        sums = [sum(name.networks for name in chosen.get(case, [])) for case in range(len(self._names))]
        return self._put <= every and (self._networks is None or all(each == self._networks for each in sums))

    def finish(self, chosen: Mapping[int, list[PartName]], parts: Parts, attributes: Mapping[str, Any]) -> None:
        """Put what is missing of the chosen parts, and all that is said of them; OSError where the disk is full."""
        for key, value in attributes.items():
            self._file.attrs[key] = value
        for case, place in enumerate(self._names):
            mine = chosen.get(case, [])
            if self._file.attrs["keep"] != "networks":
                group = self._file[place]
                accumulators, first = _folded_parts(group, mine, parts)
                _put_all(group, sum(name.networks for name in mine), accumulators, first and first.histograms)
            elif case not in self._finished:
                start, networks = 0, sum(name.networks for name in mine)
                for name in mine:
                    if name not in self._put:
                        self._put_rows(name, parts.read(name), start, networks)
                        self._raise_failure()
                    start += name.networks
                self._finish_rows(case, networks)
            self._raise_failure()
        self.close()
        self._raise_failure()

    def close(self) -> None:
        self._file.close()

    def _put_rows(self, name: PartName, image: bytes, start: int, networks: int) -> None:
        if name.case not in self._rows:
            self._rows[name.case] = CaseRows(self._file[self._names[name.case]], networks)
        self._rows[name.case].put(part_image.decode(image), start)
        self._put.add(name)

    def _finish_rows(self, case: int, networks: int) -> None:
        group, rows = self._file[self._names[case]], self._rows.pop(case, None)
        accumulators = {} if rows is None else rows.accumulators()
        _put_all(group, networks, accumulators, None if rows is None else rows.histograms)
        self._finished.add(case)

    def _raise_failure(self) -> None:
        if isinstance(self._target, ReservedFile) and self._target.failure is not None:
            raise self._target.failure


def _put_all(group: h5py.Group, networks: int, accumulators: dict[str, Accumulator], histograms: Any) -> None:
    group.attrs["networks_done"] = networks
    put_summary(group, accumulators)
    if histograms is not None:
        put_counts(group, histograms)


def _folded_parts(group: h5py.Group, names: list[PartName], parts: Parts) -> tuple[dict[str, Accumulator], Part | None]:
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
