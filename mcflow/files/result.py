"""What a user holds after a run or opens from a file: each case as an xarray.Dataset."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcflow.errors import InputError, nearest
from mcflow.model import definitions
from mcflow.model.case import Case
from mcflow.model.study import Study

if TYPE_CHECKING:
    import xarray

    from mcflow.sampling.network import Network


class Result:
    """A finished study: ``result[name]`` is the case's dataset, ``result.names`` the names.

    A case's dataset has the rows (network, layer) where they were kept, the summary's ``QUANTITY_STATISTIC``
    (layer), and ``preactivation_histogram``, ``gradient_histogram`` (layer, bin) with their ``_edges`` (layer, edge).
    Beside what has left float64 stands its logarithm to base 2, ``QUANTITY_log2``, ``QUANTITY_STATISTIC_log2``.
    Data of a file is read when it is used; after ``close`` only what was read is there.
    """

    def __init__(self, path: Path | None, image: bytes | None = None) -> None:
        import xarray

        self.path = path
        self._source: Any = open_binary(path) if path is not None else io.BytesIO(image or b"")
        try:
            self.tree: xarray.DataTree = xarray.open_datatree(self._source, engine="h5netcdf")
        except Exception as error:  # h5netcdf, h5py and xarray raise a dozen kinds on what is not such a file
            self._source.close()
            raise InputError(f"cannot read {path} as a study of mcflow: {error}") from None
        if self.tree.attrs.get("format") != "mcflow-study":
            self.close()
            raise InputError(f"{path} is no study of mcflow; give a file that mcflow run wrote")
        self.attrs: dict[str, Any] = {str(key): value for key, value in self.tree.attrs.items()}

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
        node: Any = self.tree[name]
        there = definitions.stated(node.attrs, node["weight_std"].values)
        here = definitions.definition_of(case, case.program_for(int(node["fan_in"].values[0])))
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

        method = str(self[name].attrs["method"])
        return draw(self.case(name), int(self.attrs["seed"]), network, method)

    def inputs(self, name: str) -> Any:
        """The (batch, features) inputs of that case."""
        node: Any = self.tree[name]
        own = node.to_dataset(inherit=False)
        return (own if "inputs" in own else self.tree.to_dataset())["inputs"].values

    def __getitem__(self, name: str) -> xarray.Dataset:
        if name not in self.names:
            raise InputError(f"no case {name!r} in this study; {nearest(name, self.names)}")
        node: Any = self.tree[name]
        found: xarray.Dataset = node.to_dataset(inherit=False)
        if "summary" in node:
            found = found.merge(node["summary"].to_dataset(inherit=False), join="exact")
        if "histogram" in node:
            counts = node["histogram"].to_dataset(inherit=False)
            rename = {kind: f"{kind}_histogram" for kind in ("preactivation", "gradient") if kind in counts}
            found = found.merge(counts.rename(rename), join="exact")
        return found.assign_attrs(node.attrs)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def close(self) -> None:
        """Let go of the file."""
        self.tree.close()
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
