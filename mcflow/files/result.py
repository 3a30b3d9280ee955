"""What a user holds after a run or opens from a file: each case as an xarray.Dataset."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcflow import markup
from mcflow.errors import InputError, UnknownCase, nearest
from mcflow.files.schema import SHARD_FORMAT
from mcflow.files.seal import refuse_other_format
from mcflow.model import definitions
from mcflow.model.case import Case
from mcflow.model.study import Study
from mcflow.plural import counted

if TYPE_CHECKING:
    import xarray

    from mcflow.sampling.network import Network


_PARTS = ("summary", "histogram")  # groups within that of a case


class Result(Mapping[str, "xarray.Dataset"]):
    """A finished study, a mapping: ``result[name]`` is the case's dataset, ``result.names`` the names in order.

    A case's dataset has the rows (network, layer) where they were kept, the summary's ``QUANTITY_STATISTIC``
    (layer), and ``preactivation_histogram``, ``gradient_histogram`` (layer, bin) with their ``_edges`` (layer, edge).
    Beside what has left float64 stands its logarithm to base 2, ``QUANTITY_log2``, ``QUANTITY_STATISTIC_log2``.
    Data of a file is read when it is used; after ``close`` only what was read is there.
    """

    def __init__(self, path: Path | None, image: bytes | None = None) -> None:
        import h5py

        from mcflow.files.attributes import attributes

        self.path = path
        self._study: Study | None = None
        self._source: Any = open_binary(path) if path is not None else io.BytesIO(image or b"")
        try:
            # no cache of chunks: HDF5 keeps a MB for every dataset that is open, of what nothing here reads twice
            self._file = h5py.File(self._source, "r", rdcc_nbytes=0)
            self.attrs: dict[str, Any] = attributes(self._file)
        except Exception as error:  # h5py raises half a dozen kinds on what is not such a file
            self._source.close()
            raise InputError(f"cannot read {path} as a study of mcflow: {error}") from None
        if self.attrs.get("format") == SHARD_FORMAT:
            self.close()
            raise InputError(f"{path} is one shard of a study; mcflow merge joins the shards into a file")
        try:
            refuse_other_format(self.attrs)
        except ValueError as error:
            self.close()
            raise InputError(
                f"cannot read {path} as a study of mcflow: {error}; give a file that mcflow run wrote"
            ) from None

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
        from mcflow.files import case_dataset

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
        if self._study is not None:
            return self._study
        try:
            study = Study.from_toml(str(self.attrs["study"]))
        except InputError as error:
            own = [name for name in self.names if "registered" in self._file[name].attrs]
            if not own:
                raise
            raise InputError(
                f"{error} {own[0]} uses a function that the process which made this file had registered: register it "
                "here too, or name one that a module holds, as in module:phi,dphi"
            ) from None
        own_cases = [
            (name, case) for name, case in zip(self.names, study.cases, strict=True) if definitions.is_own(case)
        ]
        for name, case in own_cases:
            self._refuse_other_functions(name, case)
        if not own_cases:  # what is registered may be another the next time
            self._study = study
        return study

    def _refuse_other_functions(self, name: str, case: Case) -> None:
        from mcflow.files.attributes import attributes

        group = self._file[name]
        there = definitions.stated(attributes(group), group["weight_std"][()])
        here = definitions.definition_of(case, case.program_for(int(group["fan_in"][0])))
        words = definitions.difference(there, here)
        if words:
            where = "the result" if self.path is None else self.path
            raise InputError(f"{where} was made with other functions: {words}; register the same here")

    @property
    def networks_done(self) -> dict[str, int]:
        """How many networks of each case are there."""
        return {name: int(self._file[name].attrs["networks_done"]) for name in self.names}

    def require(self, name: str) -> None:
        """UnknownCase, a KeyError and an InputError, with the nearest names where no case is called that."""
        if name not in self.names:
            raise UnknownCase(f"no case {name!r} in this study; {nearest(str(name), self.names)}")

    def case(self, name: str) -> Case:
        """The case of that group; UnknownCase where there is none."""
        self.require(name)
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
        self.require(name)
        group = self._file[name]
        return (group if "inputs" in group else self._file)["inputs"][()]

    def __getitem__(self, name: str) -> xarray.Dataset:
        from mcflow.files.attributes import attributes

        self.require(name)
        group = self._file[name]
        found = self._dataset(name, "CASE")
        if "summary" in group:
            found = found.merge(self._dataset(f"{name}/summary", "CASE/summary"), join="exact")
        if "histogram" in group:
            counts = self._dataset(f"{name}/histogram", "CASE/histogram")
            rename = {kind: f"{kind}_histogram" for kind in ("preactivation", "gradient") if kind in counts}
            found = found.merge(counts.rename(rename), join="exact")
        return found.assign_attrs(attributes(group))

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    # two results are one where they are the same object: to compare their numbers would read both files
    __eq__ = object.__eq__
    __hash__ = object.__hash__

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
        return f"<mcflow.Result {where}: {self._networks()} of {', '.join(self.names)}>"

    def _networks(self) -> str:
        """``1000 networks``, or how many of those that were asked for are there in every case."""
        done = min(self.networks_done.values()) if self._file else None
        asked = int(self.attrs["networks"])
        return f"{asked} networks" if done in (None, asked) else f"{done} of {asked} networks"

    def _repr_html_(self) -> str:
        """What a notebook shows: a line for each case, from its attributes alone."""
        where = "in memory" if self.path is None else str(self.path)
        title = f"mcflow study, {where}: {counted(len(self), 'case')}, seed {self.attrs['seed']}, {self.attrs['state']}"
        rows = []
        for name in self.names:
            node: Any = self.tree[name]
            networks = f"{node.attrs['networks_done']} of {self.attrs['networks']}"
            rows.append([name, node.attrs["method"], node.attrs["device"], networks, node.sizes["layer"]])
        return markup.in_notebook(title, ("case", "method", "device", "networks", "layers"), rows, words=3)


def require_result(given: object, function: str) -> None:
    """InputError where something else is given to a function that takes a result."""
    if isinstance(given, (str, Path)):
        raise InputError(
            f"{function} takes what mcflow.open gives; write mcflow.{function}(mcflow.open({str(given)!r}))"
        )
    if not callable(getattr(given, "case", None)):
        kind = type(given).__name__
        raise InputError(f"{function} takes a result, as mcflow.run or mcflow.open gives it, not one of type {kind}")


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
