"""One part of a case (a fixed range of its networks) as an HDF5 image in memory: made, and read back."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mcflow.files.schema import FORMAT_VERSION, PART_FORMAT
from mcflow.sampling.part import Part
from mcflow.statistics.moments import Moments
from mcflow.statistics.sketches import Sketch
from mcflow.statistics.summaries import Accumulator

if TYPE_CHECKING:
    import h5py

_SKETCH_TYPE = "<i8"
_CHUNK_BYTES = 1 << 19
_WORTH_COMPRESSING = 1 << 12  # bytes


def encode(part: Part, identity: str) -> bytes:
    """The image of a part of the study with that identity: quick to make, since it is soon read and removed."""
    return _image([part], identity, False)


def encode_all(parts: Sequence[Part], identity: str) -> bytes:
    """The image of several parts, small: counts are compressed."""
    return _image(parts, identity, True)


def _image(parts: Sequence[Part], identity: str, is_small: bool) -> bytes:
    import h5py

    with h5py.File.in_memory() as file:
        file.attrs["format"] = PART_FORMAT
        file.attrs["format_version"] = FORMAT_VERSION
        file.attrs["identity"] = identity
        for part in parts:
            _put_part(file, f"from{part.first:012d}", part, is_small)
        file.flush()
        return bytes(file.id.get_file_image())


def _put_part(file: h5py.File, place: str, part: Part, is_small: bool) -> None:
    group = file.create_group(place)
    group.attrs["first"] = part.first
    group.attrs["count"] = part.count
    for name, values in (part.rows or {}).items():
        _put(group, f"rows/{name}", values)
    for name, values in part.log2.items():
        _put(group, f"log2/{name}", values)
    for name, accumulator in (part.accumulators or {}).items():
        for key, values in _flatten(accumulator).items():
            _put(group, f"accumulators/{name}/{key}", values, is_small)
    for name, counts in (("preactivation", part.preactivation_counts), ("gradient", part.gradient_counts)):
        if counts is not None:
            _put(group, f"counts/{name}", counts)


def decode(image: bytes) -> Part:
    """The part in an image of one; OSError or KeyError where the image is not one."""
    (part,) = decode_all(image)
    return part


def decode_all(image: bytes) -> list[Part]:
    """The parts in an image, ascending."""
    import h5py

    with h5py.File.in_memory(image) as file:
        return [_part(group) for group in file.values()]


def _part(group: h5py.Group) -> Part:
    counts = group.get("counts", {})
    return Part(
        int(group.attrs["first"]),
        int(group.attrs["count"]),
        {name: data[()] for name, data in group["rows"].items()} if "rows" in group else None,
        {name: _gather(of) for name, of in group["accumulators"].items()} if "accumulators" in group else None,
        counts["preactivation"][()] if "preactivation" in counts else None,
        counts["gradient"][()] if "gradient" in counts else None,
        {name: data[()] for name, data in group["log2"].items()} if "log2" in group else {},
    )


def _put(group: h5py.Group, name: str, values: NDArray[Any], is_small: bool = False) -> None:
    """By low-level calls: a part has a hundred small datasets, and the high level spends half a millisecond on each."""
    from h5py import h5d, h5s, h5t

    values = np.ascontiguousarray(values)
    kind = h5t.py_create(values.dtype)
    space = h5s.create_simple(values.shape) if values.shape else h5s.create(h5s.SCALAR)
    properties = _properties(values.shape, values.itemsize) if is_small and values.dtype.kind == "i" else None
    data = h5d.create(group.id, name.encode(), kind, space, properties, _parents())
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
def _properties(shape: tuple[int, ...], itemsize: int) -> h5py.h5p.PropDCID | None:
    """Compressed; None for what is too small for that. A part's name has the checksum of all its bytes."""
    from h5py import h5p

    if math.prod(shape) * itemsize < _WORTH_COMPRESSING:
        return None
    rows = max(1, min(shape[0], _CHUNK_BYTES // (math.prod(shape[1:]) * itemsize)))
    properties = h5p.create(h5p.DATASET_CREATE)
    properties.set_chunk((rows, *shape[1:]))
    properties.set_shuffle()
    properties.set_deflate(1)
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


def _gather(group: h5py.Group) -> Accumulator:
    read = {name: data[()] for name, data in group.items()}
    return Accumulator(
        Moments(read["count"], read["mean"], read["spread"], read.get("exponent", 0)),
        Moments(read["log_count"], read["log_mean"], read["log_spread"]),
        read["zeros"],
        Sketch(read["sketch_codes"], read["sketch_counts"]),
    )
