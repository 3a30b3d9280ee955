"""One part of a case (a fixed range of its networks) as an HDF5 image in memory: made, and read back."""

from __future__ import annotations

import functools
import io
import itertools
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

    target = io.BytesIO()  # whose bytes are not copied again, as those of HDF5's own file in memory are, twice
    with h5py.File(target, "w") as file:
        file.attrs["format"] = PART_FORMAT
        file.attrs["format_version"] = FORMAT_VERSION
        file.attrs["identity"] = identity
        for part in parts:
            _put_part(file, f"from{part.first:012d}", part, is_small)
    return target.getvalue()


def _put_part(file: h5py.File, place: str, part: Part, is_small: bool) -> None:
    group = file.create_group(place)
    group.attrs["first"] = part.first
    group.attrs["count"] = part.count
    for name, values in (part.rows or {}).items():
        _put(group, f"rows/{name}", values)
    for name, values in part.log2.items():
        _put(group, f"log2/{name}", values)
    if part.accumulators is not None:
        group.attrs["quantities"] = list(part.accumulators)
        for key, values in _packed(list(part.accumulators.values())).items():
            _put(group, f"accumulators/{key}", values, is_small)
    for name, counts in (("preactivation", part.preactivation_counts), ("gradient", part.gradient_counts)):
        if counts is not None:
            _put(group, f"counts/{name}", counts)


def decode(image: bytes) -> Part:
    """The part in an image of one, whose bytes its arrays are; OSError or KeyError where the image is not one."""
    (part,) = decode_all(image)
    return part


def decode_all(image: bytes) -> list[Part]:
    """The parts in an image, ascending."""
    import h5py

    with h5py.File(io.BytesIO(image), "r") as file:
        return [_part(group, image) for group in file.values()]


def _part(group: h5py.Group, image: bytes) -> Part:
    def read(place: str) -> dict[str, NDArray[Any]] | None:
        return {name: _values(data, image) for name, data in group[place].items()} if place in group else None

    counts, packed = read("counts") or {}, read("accumulators")
    names = [str(name) for name in group.attrs["quantities"]] if packed is not None else []
    return Part(
        int(group.attrs["first"]),
        int(group.attrs["count"]),
        read("rows"),
        dict(zip(names, _unpacked(packed), strict=True)) if packed is not None else None,
        counts.get("preactivation"),
        counts.get("gradient"),
        read("log2") or {},
    )


def _values(data: h5py.Dataset, image: bytes) -> NDArray[Any]:
    """The values of a dataset: where its bytes lie in one piece these bytes, which HDF5 would copy twice."""
    place = data.id.get_offset()
    if place is None or not data.size:
        values: NDArray[Any] = data[()]
        return values
    return np.require(np.frombuffer(image, data.dtype, data.size, place).reshape(data.shape), requirements="A")


def _put(group: h5py.Group, name: str, values: NDArray[Any], is_small: bool = False) -> None:
    """By low-level calls: a part has a hundred small datasets, and the high level spends half a millisecond on each."""
    from h5py import h5d, h5s, h5t

    values = np.ascontiguousarray(values)
    kind = h5t.py_create(values.dtype)
    space = h5s.create_simple(values.shape) if values.shape else h5s.create(h5s.SCALAR)
    properties = _properties(values.shape, values.itemsize, is_small and values.dtype.kind == "i")
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
def _properties(shape: tuple[int, ...], itemsize: int, is_small: bool) -> h5py.h5p.PropDCID:
    """Without times; ``is_small``: compressed where it is worth it. A part's name has the checksum of all its bytes."""
    from h5py import h5p

    properties = h5p.create(h5p.DATASET_CREATE)
    properties.set_obj_track_times(False)
    if not is_small or math.prod(shape) * itemsize < _WORTH_COMPRESSING:
        return properties
    rows = max(1, min(shape[0], _CHUNK_BYTES // (math.prod(shape[1:]) * itemsize)))
    properties.set_chunk((rows, *shape[1:]))
    properties.set_shuffle()
    properties.set_deflate(1)
    return properties


_MOMENTS = ("count", "mean", "spread", "log_count", "log_mean", "log_spread")


def _packed(of: Sequence[Accumulator]) -> dict[str, NDArray[Any]]:
    """The accumulators of several quantities as few arrays: moments (quantity, layer), sketches one after the other."""
    pairs = [(each.value, each.logarithm) for each in of]
    fields = ("count", "mean", "spread")
    moments = [np.stack([getattr(pair[k], name) for pair in pairs]) for k in (0, 1) for name in fields]
    exponent = np.stack([np.broadcast_to(value.exponent, value.count.shape) for value, _ in pairs])
    sketches = [each.sketch for each in of if each.sketch is not None]
    return dict(zip(_MOMENTS, moments, strict=True)) | {
        "exponent": exponent.astype(np.int64),
        "zeros": np.stack([each.zeros for each in of]),
        "sketch_ends": np.cumsum([len(each.codes) for each in sketches], dtype=np.int64),
        "sketch_codes": np.concatenate([each.codes for each in sketches]).astype(_SKETCH_TYPE),
        "sketch_counts": np.concatenate([each.counts for each in sketches]).astype(_SKETCH_TYPE),
    }


def _unpacked(packed: dict[str, NDArray[Any]]) -> list[Accumulator]:
    ends = packed["sketch_ends"].tolist()
    out = []
    for number, (start, end) in enumerate(itertools.pairwise([0, *ends])):
        count, mean, spread, *logarithm = (packed[name][number] for name in _MOMENTS)
        exponent = packed["exponent"][number]
        out.append(
            Accumulator(
                Moments(count, mean, spread, exponent if exponent.any() else 0),
                Moments(*logarithm),
                packed["zeros"][number],
                Sketch(packed["sketch_codes"][start:end], packed["sketch_counts"][start:end]),
            )
        )
    return out
