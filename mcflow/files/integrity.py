"""What is in a file, and whether every byte of it is what was written. Also the child process that reads it."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcflow import child_process
from mcflow.activations import registry
from mcflow.errors import InputError
from mcflow.files.atomic import TRAILER_SIZE, digest, read_trailer
from mcflow.files.missing import COUNT, has_every_cosine, missing
from mcflow.files.schema import SHARD_FORMAT
from mcflow.plural import counted

if TYPE_CHECKING:
    import h5py

_DIGESTED = 1 << 30  # bytes that are read before a file is opened, about a second


def describe(path: Path) -> dict[str, Any]:
    """Attributes of a file and of its cases, as plain data; InputError where it is none of mcflow's, or damaged."""
    found: dict[str, Any] = json.loads(child_process.run("mcflow.files.integrity", ["describe", str(path)], str(path)))
    return found


def is_as_written(path: Path) -> bool | None:
    """Whether a file has the bytes that were written; None where its end does not say it, or it is long to read."""
    try:
        size, stated = path.stat().st_size, read_trailer(path)
        if stated is None or size > _DIGESTED:
            return None
        return digest(path, size - TRAILER_SIZE, stated) == stated
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None


def refuse_damage(path: Path) -> None:
    """InputError where the HDF5 library might crash on a file: other bytes than were written, or a child that fails."""
    whole = is_as_written(path)
    if whole is None:
        describe(path)
    elif not whole:
        raise InputError(f"{path} is damaged: other bytes than were written; mcflow show --check says more")


def check(path: Path) -> str:
    """Read every byte of a file; a sentence of what is whole. InputError names what is damaged."""
    stated = read_trailer(path)
    whole = stated is not None and digest(path, path.stat().st_size - TRAILER_SIZE, stated) == stated
    found = json.loads(child_process.run("mcflow.files.integrity", ["check", str(path)], str(path)))
    damaged = found["damaged"]
    if damaged:
        raise InputError(f"{path} is damaged: " + "; ".join(f"{name}: {reason}" for name, reason in damaged))
    if stated is None:
        raise InputError(f"{path} is damaged: its end is missing or was changed; the datasets' checksums are right")
    if not whole:
        raise InputError(
            f"{path} is damaged: it was changed after it was written, outside the values of its datasets "
            "(names, attributes or structure), whose checksums are right"
        )
    return f"{path} is whole: {counted(found['datasets'], 'dataset')} read, checksums and digest right"


def _describe(file: h5py.File) -> dict[str, Any]:
    from mcflow.files.seal import case_names, read_seal

    if file.attrs.get("format") == SHARD_FORMAT:
        return {"root": _plain_attributes(file), "parts": sorted(file["parts"]), "cases": []}
    read_seal(file)
    cases = []
    for name in case_names(file):
        group = file[name]
        case = {"name": name, **_plain_attributes(group), "depth": len(group["layer"])}
        case["missing"] = _missing(file, group)
        widths = sorted({int(width) for width in group["width"][()]})
        case["width"] = widths[0] if len(widths) == 1 else f"{widths[0]} to {widths[-1]}"
        cases.append(case)
    return {"root": _plain_attributes(file), "cases": cases}


def _missing(file: h5py.File, group: h5py.Group) -> list[str]:
    """Sentences of the networks without a number; of damage in what tells it, which the rest can be shown with."""
    if "summary" not in group:  # the head of a run that still goes
        return []
    try:
        counts = {key: data[()] for key, data in group["summary"].items() if key.endswith(COUNT)}
        inputs = (group if "inputs" in group else file)["inputs"][()]
    except OSError as error:  # a checksum that is wrong
        return [f"its summary is damaged ({error}); mcflow show --check says more"]
    try:
        cosines = has_every_cosine(registry.get(str(group.attrs["activation"])), inputs)
    except InputError:  # a function of its own that is not here
        cosines = False
    return [item.sentence for item in missing(counts, int(group.attrs["networks_done"]), cosines)]


def _plain_attributes(item: Any) -> dict[str, Any]:
    out = {}
    for key, value in item.attrs.items():
        if key in ("CLASS", "NAME", "REFERENCE_LIST", "DIMENSION_LIST"):
            continue
        out[key] = value.tolist() if hasattr(value, "tolist") else str(value)
    return {key: [str(x) for x in value] if key == "cases" else value for key, value in out.items()}


def _check(file: h5py.File) -> dict[str, Any]:
    from mcflow.files.datasets import read_through

    read = list(read_through(file))
    return {"datasets": len(read), "damaged": [found for found in read if found[1]]}


def _why_unreadable(path: str, error: Exception) -> str:
    """What is wrong with a file that HDF5 cannot read, in words that say what to do."""
    import h5py

    cut = re.search(r"truncated file: eof = (\d+).*stored_eof = (\d+)", str(error))
    if cut is not None:
        return f"{path} is cut short: {cut[1]} bytes of {cut[2]} are there; copy it again, or run the study again"
    if not h5py.is_hdf5(path):
        return f"{path} is no HDF5 file; give one that mcflow run wrote"
    return (
        f"{path} is damaged, or no study of mcflow: {type(error).__name__} while it was read; give another copy of it"
    )


def main() -> int:
    import h5py

    from mcflow.files.seal import OtherFormat

    what, path = sys.argv[1:]
    try:
        with h5py.File(path, "r", locking=False) as file:
            found = {"describe": _describe, "check": _check}[what](file)
    except FileNotFoundError:
        return child_process.refuse(InputError(f"there is no file {path}"))
    except OtherFormat as error:
        return child_process.refuse(
            InputError(f"cannot read {path} as a study of mcflow: {error}; give a file that mcflow run wrote")
        )
    except Exception as error:  # whatever h5py meets in a damaged file
        return child_process.refuse(InputError(_why_unreadable(path, error)))
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
