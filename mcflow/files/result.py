"""What a user holds after a run or opens from a file: each case as an xarray.Dataset."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcflow.errors import InputError, nearest
from mcflow.files import case_dataset
from mcflow.model import definitions
from mcflow.model.case import Case
from mcflow.model.study import Study

if TYPE_CHECKING:
    import xarray

    from mcflow.sampling.network import Network


_PARTS = ("summary", "histogram")  # groups within that of a case


class Result:
    """A finished study: ``result[name]`` is the case's dataset, ``result.names`` the names.

    A case's dataset has the rows (network, layer) where they were kept, the summary's ``QUANTITY_STATISTIC``
    (layer), and ``preactivation_histogram``, ``gradient_histogram`` (layer, bin) with their ``_edges`` (layer, edge).
    Beside what has left float64 stands its logarithm to base 2, ``QUANTITY_log2``, ``QUANTITY_STATISTIC_log2``.
    Data of a file is read when it is used; after ``close`` only what was read is there.
    """

    def __init__(self, path: Path | None, image: bytes | None = None) -> None:
        import h5py

        self.path = path
        self._source: Any = open_binary(path) if path is not None else io.BytesIO(image or b"")
        try:
            self._file = h5py.File(self._source, "r")
            self.attrs: dict[str, Any] = case_dataset.attributes(self._file)
        except Exception as error:  # h5py raises half a dozen kinds on what is not such a file
            self._source.close()
            raise InputError(f"cannot read {path} as a study of mcflow: {error}") from None
        if self.attrs.get("format") != "mcflow-study":
            self.close()
            raise InputError(f"{path} is no study of mcflow; give a file that mcflow run wrote")

    @cached_property
    def tree(self) -> xarray.DataTree:
        """The whole file as an xarray.DataTree: the root's inputs, a node for each case, ``summary``, ``histogram``."""
        import xarray

        nodes = {"/": self._dataset("", "")}
        for name in self.names:
            nodes[name] = self._dataset(name, "CASE")
            for part in _PARTS:
                if part in self._file[name]:
                    nodes[f"{name}/{part}"] = self._dataset(f"{name}/{part}", f"CASE/{part}")
        return xarray.DataTree.from_dict(nodes)

    def _dataset(self, group: str, place: str) -> xarray.Dataset:
        where = "the result" if self.path is None else str(self.path)
        return case_dataset.dataset_of(self._file[group or "/"], place, where)

    @property
    def names(self) -> list[str]:
        """The groups of the cases, in the study's order."""
        cases = self.attrs["cases"]
        return [cases] if isinstance(cases, str) else [str(name) for name in cases]

    @property
    def study(self) -> Study:
        """The study of the file.

        InputError where it uses a registered activation or scheme that is not registered here, or is another here.
        """
        study = Study.from_toml(str(self.attrs["study"]))
        for name, case in zip(self.names, study.cases, strict=True):
            if definitions.is_own(case):
                self._refuse_other_functions(name, case)
        return study

    def _refuse_other_functions(self, name: str, case: Case) -> None:
        group = self._file[name]
        there = definitions.stated(case_dataset.attributes(group), group["weight_std"][()])
        here = definitions.definition_of(case, case.layers(int(group["fan_in"][0])))
        words = definitions.difference(there, here)
        if words:
            where = "the result" if self.path is None else self.path
            raise InputError(f"{where} was made with other functions: {words}; register the same here")

    def case(self, name: str) -> Case:
        """The case of that group."""
        return self.study.cases[self.names.index(name)]

    def draw(self, name: str, network: int) -> Network:
        """Network ``network`` of that case as the file's own method simulated it: its weights, biases and inputs.

        Raises InputError where the method was ``chain``, which has no weights.
        """
        from mcflow.sampling.network import draw

        method = str(self._file[name].attrs["method"])
        return draw(self.case(name), int(self.attrs["seed"]), network, method)

    def inputs(self, name: str) -> Any:
        """The (batch, features) inputs of that case."""
        group = self._file[self._known(name)]
        return (group if "inputs" in group else self._file)["inputs"][()]

    def __getitem__(self, name: str) -> xarray.Dataset:
        group = self._file[self._known(name)]
        found = self._dataset(name, "CASE")
        if "summary" in group:
            found = found.merge(self._dataset(f"{name}/summary", "CASE/summary"), join="exact")
        if "histogram" in group:
            counts = self._dataset(f"{name}/histogram", "CASE/histogram")
            rename = {kind: f"{kind}_histogram" for kind in ("preactivation", "gradient") if kind in counts}
            found = found.merge(counts.rename(rename), join="exact")
        return found.assign_attrs(case_dataset.attributes(group))

    def _known(self, name: str) -> str:
        if name not in self.names:
            raise InputError(f"no case {name!r} in this study; {nearest(name, self.names)}")
        return name

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
        self._source.close()

    def __enter__(self) -> Result:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        where = "in memory" if self.path is None else str(self.path)
        return f"<mcflow.Result {where}: {self.attrs['networks']} networks of {', '.join(self.names)}>"


def open_binary(path: Path) -> Any:
    """A plain read handle: HDF5's own locks fail on network file systems, and a finished file never changes."""
    try:
        if path.exists() and not path.is_file():  # a device or a pipe may never end
            raise InputError(f"{path} is not a file; give one that mcflow run wrote")
        return path.open("rb")
    except InputError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
