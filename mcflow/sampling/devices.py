"""The devices there are, as objects: which one computes a case, why not another, and what this machine has."""

from __future__ import annotations

import hashlib
import importlib.util
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcflow.errors import InputError, nearest, option
from mcflow.methods import prices
from mcflow.methods.prices import Prices
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
    are folded. ``prices`` are those of its kind, whichever this one is.
    """

    name: str
    record: Callable[..., Recorded]
    why_not: Callable[[Case, str], str]
    quick_reason: Callable[[], str]
    reason: Callable[[], str]
    describe: Callable[[], dict[str, Any]]
    prices: Prices
    count: Callable[[], int] | None = None
    strength: int = 1
    record_groups: Callable[..., Grouped] | None = None


def _never(*_: object) -> str:
    return ""


CPU = Device("cpu", cpu.record, walks.why_not, _never, _never, cpu.describe, prices.CPU)
CUDA = Device(
    "cuda",
    cuda.record,
    cuda.why_not,
    cuda_detection.quick_reason,
    cuda_detection.reason,
    cuda_detection.describe,
    prices.CUDA,
    cuda_detection.count,
    strength=4,
    record_groups=cuda.record_groups,
)
# In the order in which ``auto`` takes them; the last is always there, and has a kernel for every case.
ALL = (CUDA, CPU)
DEVICES = (AUTO, *sorted(device.name for device in ALL))
ALIASES = {"gpu": CUDA.name}


def get(name: str) -> Device:
    """The device called ``name``; InputError with the nearest names where there is none."""
    for device in ALL:
        if device.name == name:
            return device
    raise InputError(f"unknown device {name!r}; {nearest(str(name), DEVICES)}")


def named(text: str) -> str:
    """The name of the device that is typed: in any case, and ``gpu`` for the kind of GPU that there is."""
    return ALIASES.get(text.lower(), text.lower())


def require(name: str) -> None:
    """InputError where the device of this name cannot be used here, or no compiler works, with the reason."""
    require_compiler()
    device = get(name)
    reason = device.reason()
    if reason:
        raise InputError(f"{option('device', device.name)}: {reason}")


@dataclass(frozen=True)
class Chosen:
    """A device by name, and why it was taken where ``auto`` came to another than the first; to be told to the user."""

    device: str
    reason: str = ""


def choose(requested: str, seconds: Callable[[Device], float], begun: str = "") -> Chosen:
    """The device asked for, or for ``auto`` the one of least ``seconds`` of those that work here.

    ``seconds`` are what the study would take by a device's prices, infinite where it has no kernel for any case.
    ``begun`` is the device that the study was begun on: ``auto`` stays with it where it works.
    """
    if requested != AUTO:
        require(requested)
        return Chosen(requested)
    require_compiler()
    first = ALL[0]
    there = [device for device in ALL if not device.quick_reason()]
    taken = {device.name: seconds(device) for device in there} if len(there) > 1 else {there[0].name: 0.0}
    order = sorted(there, key=lambda device: (device.name != begun, taken[device.name]))
    found = next(device for device in order if not device.reason())
    if found is first:
        return Chosen(found.name)
    if first not in there or first in order[: order.index(found)]:
        reason = first.quick_reason() or first.reason()
        return Chosen(found.name, reason.partition(" (")[0].partition(";")[0])
    if found.name == begun:
        return Chosen(found.name, "as this study was begun")
    if math.isinf(taken[first.name]):
        return Chosen(found.name, f"{first.name} has no kernel for this")
    words = " and ".join(f"{_about(taken[device.name])} on {device.name}" for device in (found, first))
    return Chosen(found.name, f"the study is small: {words}, its start included")


def _about(seconds: float) -> str:
    return "under 0.1 s" if seconds < 0.1 else f"about {seconds:.1f} s" if seconds < 10 else f"about {seconds:.0f} s"


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
