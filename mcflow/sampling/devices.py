"""The devices there are, as objects: which one computes a case, why not another, and what this machine has."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcflow.errors import InputError, nearest, option
from mcflow.sampling import cpu, cuda, cuda_detection, walks
from mcflow.sampling.compiler import require_compiler

if TYPE_CHECKING:
    from mcflow.model.case import Case
    from mcflow.sampling.grouped import Grouped
    from mcflow.sampling.recorded import Recorded

AUTO = "auto"


@dataclass(frozen=True)
class Device:
    """Where networks are computed. Nothing of it is loaded before ``record``, ``reason`` or ``describe``.

    ``record`` is ``sample.record`` there, ``record_groups`` is ``sample.record_groups`` where it folds networks by
    itself; None where the processor folds them. ``quick_reason`` says why it cannot be used here, as far as that is
    seen at once, and ``reason`` surely; ``why_not(case, method)`` why it has no kernel for a case: all are empty where
    it does. ``describe`` is its section of ``mcflow doctor``. ``count`` is how many there are that can be named by
    number; None where the device is one. ``strength``: how many times the work of a processor a part may be, where rows
    are folded.
    """

    name: str
    record: Callable[..., Recorded]
    why_not: Callable[[Case, str], str]
    quick_reason: Callable[[], str]
    reason: Callable[[], str]
    describe: Callable[[], dict[str, Any]]
    count: Callable[[], int] | None = None
    strength: int = 1
    record_groups: Callable[..., Grouped] | None = None


def _never(*_: object) -> str:
    return ""


CPU = Device("cpu", cpu.record, walks.why_not, _never, _never, cpu.describe)
CUDA = Device(
    "cuda",
    cuda.record,
    cuda.why_not,
    cuda_detection.quick_reason,
    cuda_detection.reason,
    cuda_detection.describe,
    cuda_detection.count,
    strength=4,
    record_groups=cuda.record_groups,
)
# In the order in which ``auto`` takes them; the last is always there, and has a kernel for every case.
ALL = (CUDA, CPU)
DEVICES = (AUTO, *sorted(device.name for device in ALL))


def get(name: str) -> Device:
    """The device called ``name``; InputError with the nearest names where there is none."""
    for device in ALL:
        if device.name == name:
            return device
    raise InputError(f"unknown device {name!r}; {nearest(str(name), DEVICES)}")


def choose_device(requested: str) -> str:
    """The name of the device; InputError with the reason where none compiles, or the one asked for cannot be used."""
    require_compiler()
    if requested != AUTO:
        device = get(requested)
        reason = device.reason()
        if reason:
            raise InputError(f"{option('device', device.name)}: {reason}")
        return device.name
    return next(device.name for device in ALL if not (device.quick_reason() or device.reason()))


def why_not_preferred(requested: str, device: str) -> str:
    """Where ``auto`` came to another than the first, the reason in brackets, for the line that announces a run."""
    preferred = ALL[0]
    if requested != AUTO or device == preferred.name:
        return ""
    return f" ({(preferred.quick_reason() or preferred.reason()).partition(' (')[0].partition(';')[0]})"


def device_for(case: Case, method: str, device: str) -> str:
    """The device that computes a case: the one chosen, or the last where that has no kernel for it."""
    return ALL[-1].name if get(device).why_not(case, method) else device


def kernels_digest() -> str:
    """Sixteen hex digits of the text of all kernels: processes in which they agree compute the same bits."""
    found = hashlib.sha256()
    (folder,) = importlib.util.find_spec("mcflow.kernels").submodule_search_locations  # type: ignore[union-attr,misc]
    for path in sorted(Path(folder).rglob("*.py")):
        found.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return found.hexdigest()[:16]


def describe() -> dict[str, dict[str, Any]]:
    """What every device says of itself, by its name, for ``mcflow doctor``: the processor first."""
    return {device.name: device.describe() for device in reversed(ALL)}
