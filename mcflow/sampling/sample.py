"""Networks in, statistics out: the one door to the kernels, whatever the device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Required, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from mcflow.sampling import devices
from mcflow.sampling.rows import block_of

if TYPE_CHECKING:
    from mcflow.model.case import Case
    from mcflow.sampling.bins import Plan
    from mcflow.sampling.blocks import Block
    from mcflow.sampling.devices import Device
    from mcflow.sampling.grouped import Grouped
    from mcflow.sampling.recorded import Recorded


class How(TypedDict, total=False):
    """How networks are simulated: ``direct`` on the ``cpu`` with gradients, where nothing else is said."""

    method: str
    device: str
    backward: bool
    plan: Required[Plan]


def record(case: Case, inputs: NDArray[np.float64], seed: int, first: int, count: int, **how: Unpack[How]) -> Recorded:
    """What the networks first .. first + count - 1 of a case leave, as the device has it.

    ``inputs`` is (batch, features). The result depends on nothing but the arguments: not on threads or block sizes.
    Raises InputError for a method or device that cannot simulate the case.
    """
    device, told = _told(how)
    return device.record(case, inputs, seed, first, count, **told)


def record_groups(
    case: Case, inputs: NDArray[np.float64], seed: int, first: int, count: int, *, group: int, **how: Unpack[How]
) -> Grouped | Recorded:
    """The same networks for their summary: in groups of ``group``, the last one shorter, where the device folds them.

    What a block of whole groups leaves does not depend on where it is cut from its neighbours.
    """
    device, told = _told(how)
    if device.record_groups is None:
        return record(case, inputs, seed, first, count, **how)
    return device.record_groups(case, inputs, seed, first, count, group=group, **told)


def simulate(case: Case, inputs: NDArray[np.float64], seed: int, first: int, count: int, **how: Unpack[How]) -> Block:
    """The same networks as rows of statistics."""
    return block_of(record(case, inputs, seed, first, count, **how))


def _told(how: How) -> tuple[Device, dict[str, Any]]:
    """The device, and what it is told of the rest."""
    told: dict[str, Any] = {"method": "direct", "backward": True, **how}
    return devices.get(told.pop("device", "cpu")), told
