"""Networks in, statistics out: the one door to the kernels, whatever the device."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mcflow.sampling import devices
from mcflow.sampling.rows import block_of

if TYPE_CHECKING:
    from mcflow.model.case import Case
    from mcflow.sampling.bins import Plan
    from mcflow.sampling.blocks import Block
    from mcflow.sampling.grouped import Grouped
    from mcflow.sampling.recorded import Recorded


def record(
    case: Case,
    inputs: NDArray[np.float64],
    seed: int,
    first: int,
    count: int,
    *,
    method: str = "direct",
    device: str = "cpu",
    backward: bool = True,
    plan: Plan,
) -> Recorded:
    """What the networks first .. first + count - 1 of a case leave, as the device has it.

    ``inputs`` is (batch, features). The result depends on nothing but the arguments: not on threads or block sizes.
    Raises InputError for a method or device that cannot simulate the case.
    """
    found = devices.get(device)
    return found.record(case, inputs, seed, first, count, method=method, backward=backward, plan=plan)


def record_groups(
    case: Case,
    inputs: NDArray[np.float64],
    seed: int,
    first: int,
    count: int,
    *,
    group: int,
    method: str = "direct",
    device: str = "cpu",
    backward: bool = True,
    plan: Plan,
) -> Grouped | Recorded:
    """The same networks for their summary: in groups of ``group``, the last one shorter, where the device folds them.

    What a block of whole groups leaves does not depend on where it is cut from its neighbours.
    """
    folding = devices.get(device).record_groups
    if folding is None:
        return record(case, inputs, seed, first, count, method=method, device=device, backward=backward, plan=plan)
    return folding(case, inputs, seed, first, count, group=group, method=method, backward=backward, plan=plan)


def simulate(
    case: Case,
    inputs: NDArray[np.float64],
    seed: int,
    first: int,
    count: int,
    *,
    method: str = "direct",
    device: str = "cpu",
    backward: bool = True,
    plan: Plan,
) -> Block:
    """The same as rows of statistics."""
    return block_of(
        record(case, inputs, seed, first, count, method=method, device=device, backward=backward, plan=plan)
    )
