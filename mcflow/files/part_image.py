"""One part of a case (a fixed range of its networks) as an HDF5 image in memory: made, and read back."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mcflow.files.schema import FORMAT_VERSION, PART_FORMAT
from mcflow.sampling.part import Part
from mcflow.statistics import sketches
from mcflow.statistics.moments import Moments
from mcflow.statistics.sketches import Sketch
from mcflow.statistics.summaries import Accumulator

if TYPE_CHECKING:
    import h5py

_SKETCH_TYPE = "<i8"
_CHUNK_BYTES = 1 << 19
_WORTH_COMPRESSING = 1 << 12  # bytes


def encode(part: Part, identity: str) -> bytes:
    """The image of a part of the study with that identity."""
    import h5py

    with h5py.File.in_memory() as file:
        file.attrs["format"] = PART_FORMAT
        file.attrs["format_version"] = FORMAT_VERSION
        file.attrs["identity"] = identity
        file.attrs["first"] = part.first
        file.attrs["count"] = part.count
        for name, values in (part.rows or {}).items():
            _put(file, f"rows/{name}", values)
        for name, values in part.log2.items():
            _put(file, f"log2/{name}", values)
        for name, accumulator in (part.accumulators or {}).items():
            for key, values in _flatten(accumulator).items():
                _put(file, f"accumulators/{name}/{key}", values)
        for name, counts in (("preactivation", part.preactivation_counts), ("gradient", part.gradient_counts)):
            if counts is not None:
                _put(file, f"counts/{name}", counts)
        file.flush()
        return bytes(file.id.get_file_image())


def decode(image: bytes) -> tuple[Part, str]:
    """The part in an image, and the identity of its study; OSError or KeyError where the image is not one."""
    import h5py

    with h5py.File.in_memory(image) as file:
        rows = {name: data[()] for name, data in file["rows"].items()} if "rows" in file else None
        accumulators = None
        if "accumulators" in file:
            first_layout = file.attrs["format_version"] == "1.0"
            accumulators = {name: _gather(group, first_layout) for name, group in file["accumulators"].items()}
        counts = file.get("counts", {})
        part = Part(
            int(file.attrs["first"]),
            int(file.attrs["count"]),
            rows,
            accumulators,
            counts["preactivation"][()] if "preactivation" in counts else None,
            counts["gradient"][()] if "gradient" in counts else None,
            {name: data[()] for name, data in file["log2"].items()} if "log2" in file else {},
        )
        return part, str(file.attrs["identity"])


def _put(file: h5py.File, name: str, values: NDArray[Any]) -> None:
    """By low-level calls: a part has a hundred small datasets, and the high level spends half a millisecond on each."""
    from h5py import h5d, h5s, h5t

    values = np.ascontiguousarray(values)
    kind = h5t.py_create(values.dtype)
    space = h5s.create_simple(values.shape) if values.shape else h5s.create(h5s.SCALAR)
    properties = _properties(values.shape, values.itemsize, values.dtype.kind == "i")
    data = h5d.create(file.id, name.encode(), kind, space, properties, _parents())
    if values.size:
        data.write(h5s.ALL, h5s.ALL, values)


@functools.lru_cache(maxsize=1)
def _parents() -> h5py.h5p.PropLCID:
    """Groups on the way to a dataset are made with it."""
    from h5py import h5p

    made = h5p.create(h5p.LINK_CREATE)
    made.set_create_intermediate_group(True)
    return made


@functools.lru_cache(maxsize=64)
def _properties(shape: tuple[int, ...], itemsize: int, is_count: bool) -> h5py.h5p.PropDCID | None:
    """Chunks with a checksum, counts compressed; None for what HDF5 has no chunks for: nothing, and single numbers."""
    from h5py import h5p

    if not math.prod(shape) or not shape:
        return None
    rows = max(1, min(shape[0], _CHUNK_BYTES // (math.prod(shape[1:]) * itemsize)))
    properties = h5p.create(h5p.DATASET_CREATE)
    properties.set_chunk((rows, *shape[1:]))
    if is_count and math.prod(shape) * itemsize >= _WORTH_COMPRESSING:
        properties.set_shuffle()
        properties.set_deflate(1)
    properties.set_fletcher32()
    return properties


def _flatten(of: Accumulator) -> dict[str, NDArray[Any]]:
    assert of.sketch is not None
    exponents = {"exponent": np.asarray(of.value.exponent)} if np.any(of.value.exponent) else {}
    return exponents | {
        "count": of.value.count,
        "mean": of.value.mean,
        "spread": of.value.spread,
        "log_count": of.logarithm.count,
        "log_mean": of.logarithm.mean,
        "log_spread": of.logarithm.spread,
        "zeros": of.zeros,
        "sketch_codes": of.sketch.codes.astype(_SKETCH_TYPE),
        "sketch_counts": of.sketch.counts.astype(_SKETCH_TYPE),
    }


def _gather(group: h5py.Group, first_layout: bool) -> Accumulator:
    read = {name: data[()] for name, data in group.items()}
    codes = sketches.from_first_layout(read["sketch_codes"]) if first_layout else read["sketch_codes"]
    return Accumulator(
        Moments(read["count"], read["mean"], read["spread"], read.get("exponent", 0)),
        Moments(read["log_count"], read["log_mean"], read["log_spread"]),
        read["zeros"],
        Sketch(codes, read["sketch_counts"]),
    )
