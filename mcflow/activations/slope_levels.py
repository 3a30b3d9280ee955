"""Where the slope of an activation is small, or zero: intervals of h, found by bisection on a grid."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Intervals = tuple[tuple[float, float], ...]

PROBED = 30.0  # registration has asked a user's functions up to here
REACHES = (700.0, 200.0, 60.0)  # exp in a user's function overflows at 709
# A slope that is truly zero on an interval rises from its end as a power of the distance, or jumps; one that has left
# float64, or is the difference of nearly equal numbers, is still this small a hundredth beyond.
RISE = 0.01
ROUND_OFF = 1e-15  # of bisection about zero
LEAST_RISE = 1e-12
LEAST_RISE_OF_DIFFERENCES = 1e-8


def intervals_where(
    low: Callable[[Array], NDArray[np.bool_]], edge: float, kinks: tuple[float, ...], fine: Array | None = None
) -> Intervals:
    """Where ``low(h)`` holds: beyond +-edge as it does there, ends by bisection, at kinks taken as they are.

    ``fine`` are further points of the grid, of a function whose structure is finer than its cells.
    """
    near = np.arange(-40.0, 40.0, 0.02) + 0.00371  # off every round number
    far = np.geomspace(min(40.0, edge), edge, 200)
    near = near[np.abs(near) < edge]
    grid = np.concatenate([-far[::-1], near, far])
    if fine is not None:
        grid = np.sort(np.concatenate([grid, fine[np.abs(fine) <= edge]]))
    if kinks:
        places = np.asarray(kinks)
        places = places[np.abs(places) < edge]
        beside = 1e-9 * (1.0 + np.abs(places))
        grid = np.sort(np.concatenate([grid, places - beside, places + beside]))
    inside = low(grid)
    change = np.flatnonzero(inside[1:] != inside[:-1])
    left, right, first = grid[change], grid[change + 1], inside[change]
    for _ in range(60):
        middle = 0.5 * (left + right)
        same = low(middle) == first if len(middle) else first
        left, right = np.where(same, middle, left), np.where(same, right, middle)
    ends = [_at_kink(kinks, 0.5 * (a + b)) for a, b in zip(left.tolist(), right.tolist(), strict=True)]
    borders = ([-math.inf] if inside[0] else []) + ends + ([math.inf] if inside[-1] else [])
    return tuple(zip(borders[::2], borders[1::2], strict=True))


def _at_kink(kinks: tuple[float, ...], end: float) -> float:
    if abs(end) < ROUND_OFF:
        return 0.0
    place = bisect.bisect_left(kinks, end)
    for kink in kinks[max(place - 1, 0) : place + 1]:
        if abs(kink - end) < 1e-8 * (1.0 + abs(kink)):
            return kink
    return end


def reach_of(answers: Callable[[Array], object]) -> float:
    """The largest |h| at which a user's functions still answer; beyond it a unit counts as it does there."""
    for edge in REACHES:
        try:
            answers(np.array([-edge, edge]))
            return edge
        except (ArithmeticError, ValueError):  # InputError is a ValueError
            continue
    return PROBED


def flat_intervals(
    dphi: Callable[[Array], Array], kinks: tuple[float, ...], largest: float, by_difference: bool
) -> Intervals:
    """The closed intervals on which a user's phi' is zero: (0, 0) where it is zero at 0 alone, as of h^2.

    A tail in which phi' underflows is none of them: phi' is not zero there. ``largest`` is max |phi'|.
    """
    with np.errstate(all="ignore"):
        edge = reach_of(lambda h: _finite(dphi(h)))
        found = intervals_where(lambda h: np.asarray(dphi(h) == 0.0), edge, kinks)
        least = largest * (LEAST_RISE_OF_DIFFERENCES if by_difference else LEAST_RISE)

        def is_true(end: float, outwards: float) -> bool:
            if math.isinf(end) or end in kinks:
                return True
            beyond = end + outwards * RISE * max(1.0, abs(end))
            return abs(float(dphi(np.array([beyond]))[0])) > least

        flat = tuple((a, b) for a, b in found if is_true(a, -1.0) and is_true(b, 1.0))
        at_zero = float(dphi(np.zeros(1))[0]) == 0.0
    if at_zero and not any(a <= 0.0 <= b for a, b in flat):
        flat = (*flat, (0.0, 0.0))
    return flat


def _finite(slopes: Array) -> None:
    if not np.isfinite(slopes).all():
        raise ValueError("the slope is not finite there")
