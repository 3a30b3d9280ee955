"""A user's own phi and phi': checked, made to take arrays, and searched for jumps, kinks and poles."""

from __future__ import annotations

import math
import types
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mcflow.activations.formulas import Elementwise
from mcflow.errors import InputError

Scalar = Callable[[float], float]
Array = NDArray[np.float64]

PROBES = tuple(np.concatenate([-np.geomspace(30.0, 1e-3, 60), np.geomspace(1e-3, 30.0, 60)]).tolist())
REACH, CELLS = 31.0, 6200  # the search for breaks: cells of 0.01 on [-31, 31], each bisected by itself
OFFSET = 0.00371  # of the cells, so that no round number is a cell's end
# halvings of a cell after which what has shrunk like a smooth function is dropped: 1e-2 / 2^60 is 1e-20
STAGES, SHRUNK = (4, 8, 48), (0.25, 0.1, 0.1)
LEAST = 1e-7  # of the largest |phi|: a smaller jump is none
POLE = 1e6  # times the largest |phi| of the cells' ends: what grows beyond that as a cell shrinks has a pole
PEAK = 10.0  # times the median |phi|: lower maxima are not searched for a pole
SLOPE_STEP, SLOPE_STAGES = 1e-6, (4, 6)  # of the difference quotient in which kinks are searched: cells of 1e-5
LEAST_BEND = 1e-3  # of the largest slope: a smaller jump of it is none
STEPS = 10.0 ** -np.arange(2, 12)  # of difference quotients that are tried against a stated derivative


@dataclass(frozen=True)
class Breaks:
    """Where phi jumps (``jumps``), and every point where phi or phi' does (``kinks``), ascending."""

    jumps: tuple[float, ...]
    kinks: tuple[float, ...]


def as_it_is(function: Scalar) -> Scalar:
    """The function with the globals and closure of now: kernels take them as constants, theory must see the same."""
    assert isinstance(function, types.FunctionType)
    cells = tuple(types.CellType(cell.cell_contents) for cell in function.__closure__ or ())
    named = dict(function.__globals__)
    kept = types.FunctionType(function.__code__, named, function.__name__, function.__defaults__, cells)
    kept.__kwdefaults__ = function.__kwdefaults__
    return kept


def vectorize(function: Scalar) -> Elementwise:
    """The function of one float as one of arrays of any shape; what NumPy would warn of inside it is not said."""

    def on_array(x: Array) -> Array:
        x = np.asarray(x, dtype=np.float64)
        with np.errstate(all="ignore"):
            values = np.fromiter(map(function, x.ravel().tolist()), np.float64, x.size)
        return values.reshape(x.shape)

    return on_array


def difference(phi: Elementwise) -> Elementwise:
    """The central difference that stands in for a derivative that was not given; the kernels make the same step."""

    def dphi(x: Array) -> Array:
        step = difference_step(x)
        with np.errstate(all="ignore"):
            return (phi(x + step) - phi(x - step)) / (2.0 * step)

    return dphi


def difference_step(x: Array) -> Array:
    """Half of what the central difference at ``x`` spans."""
    return 1e-5 * np.maximum(1.0, np.abs(x))


def check_scalar(name: str, what: str, function: Scalar) -> None:
    """Refuse what is not a plain function that gives one finite real number on [-30, 30]."""
    if not isinstance(function, types.FunctionType):
        kind = type(function).__name__
        raise InputError(f"activation {name!r}: {what} is a {kind}, which cannot be compiled; write it with def")
    for x in (*PROBES, 0.0):
        try:
            with np.errstate(all="ignore"):
                value = function(x)
        except Exception as error:
            raise InputError(
                f"activation {name!r}: {what}({x:g}) raised {type(error).__name__}: {error}; "
                f"{what} must take one float and return one float"
            ) from None
        if isinstance(value, complex) or np.ndim(value) != 0 or not isinstance(value, (int, float, np.number)):
            raise InputError(
                f"activation {name!r}: {what}({x:g}) gave {type(value).__name__}; {what} must return one real number"
            )
        if not math.isfinite(float(value)):
            raise InputError(f"activation {name!r}: {what}({x:g}) = {value}; {what} must be finite on [-30, 30]")


def check_derivative(name: str, phi: Scalar, dphi: Scalar) -> None:
    """Refuse a dphi that differs from the difference quotient of phi at every step; four probes may sit on a kink."""
    wrong = []
    for x in PROBES:
        stated = float(dphi(x))
        quotients = [_quotient(phi, x, float(step)) for step in STEPS]
        # a step is as good as its rounding: that of phi and of where phi is taken, over the step
        off = [
            abs(stated - found) - (1e-3 + 1e-15 * abs(x) / step) * max(1.0, abs(stated)) - 4e-16 * size / step
            for (found, size), step in zip(quotients, STEPS.tolist(), strict=True)
            if 1e-15 * abs(x) / step < 0.01 and 4e-16 * size / step < 0.01 * max(1.0, abs(stated))
        ]
        if off and min(off) > 0.0:
            wrong.append((x, stated, quotients[3][0]))
    if len(wrong) > 4:
        x, stated, found = wrong[0]
        raise InputError(
            f"activation {name!r}: dphi({x:g}) = {stated:g}, but the difference quotient of phi there is {found:g}; "
            "give the derivative of phi, or phi alone"
        )


def _quotient(phi: Scalar, x: float, step: float) -> tuple[float, float]:
    """The central difference of phi and the size of the values in it."""
    right, left = x + step, x - step
    with np.errstate(all="ignore"):
        high, low = float(phi(right)), float(phi(left))
    return (high - low) / (right - left), max(abs(high), abs(low))


def find_breaks(name: str, phi: Scalar, dphi: Scalar | None, kinks: tuple[float, ...]) -> Breaks:
    """Jumps and kinks on [-30, 30] by bisection of cells of 0.01, beside the ``kinks`` that were given.

    One break is found in each cell. Raises InputError where phi grows without bound at a point.
    """
    jumps = _jumps(name, "phi", phi)
    bends = _bends(phi, jumps) if dphi is None else _jumps(name, "dphi", dphi)
    return Breaks(tuple(sorted(jumps)), _merged([float(kink) for kink in kinks], jumps + bends))


def _merged(given: list[float], found: list[float]) -> tuple[float, ...]:
    """All of them, ascending; of points that nearly coincide the one that was given."""
    kept: list[tuple[float, bool]] = []
    for point, ours in sorted([*((x, False) for x in given), *((x, True) for x in found)]):
        if kept and point - kept[-1][0] < 1e-7 * (1.0 + abs(point)):
            if ours:
                continue
            if kept[-1][1]:
                kept.pop()
        kept.append((point, ours))
    return tuple(point for point, _ in kept)


def _values(function: Scalar, x: Array) -> Array:
    """The function on (n,) points; infinite where it raises or is not a number."""

    def one(at: float) -> float:
        try:
            return float(function(at))
        except (ArithmeticError, ValueError):
            return math.inf

    try:
        values = vectorize(function)(x)
    except (ArithmeticError, ValueError):
        values = vectorize(one)(x)
    return np.where(np.isnan(values), np.inf, values)


def _ends() -> Array:
    return np.linspace(-REACH, REACH, CELLS + 1) + OFFSET


def _jumps(name: str, what: str, function: Scalar) -> list[float]:
    """Points where a function jumps: what is left of a cell's difference when the cell has no width."""
    ends = _ends()
    values = _values(function, ends)
    size = float(np.abs(values).max())
    cells = _bisected(function, ends, values, STAGES, LEAST * size)
    with np.errstate(invalid="ignore"):
        step = np.abs(cells[3] - cells[2])
    points = cells[1]
    poles = ~(step <= POLE * max(size, 1.0))
    if what == "phi":
        unbounded = [*points[poles].tolist(), *_peaks(function, ends, values, POLE * max(size, 1.0))]
        if unbounded:
            raise InputError(
                f"activation {name!r}: phi grows without bound at h = {_round(unbounded[0], 1e-7):g}; "
                "it must be finite at every h"
            )
    # an infinite slope at a point, as of a root, is a kink: quadrature says whether E phi'^2 is finite
    return [_round(x, 1e-12) for x in points.tolist()]


def _peaks(function: Scalar, ends: Array, values: Array, bound: float) -> list[float]:
    """Maxima of |phi| between cells that rise beyond ``bound`` when they are searched for."""
    size = np.abs(values)
    high = PEAK * float(np.median(size))
    at = 1 + np.flatnonzero((size[1:-1] >= size[:-2]) & (size[1:-1] > size[2:]) & (size[1:-1] > high))
    left, right = ends[at - 1], ends[at + 1]
    for _ in range(sum(STAGES)):
        a, b = left + (right - left) / 3.0, right - (right - left) / 3.0
        rises = np.abs(_values(function, a)) < np.abs(_values(function, b))
        left, right = np.where(rises, a, left), np.where(rises, right, b)
    top = np.abs(_values(function, 0.5 * (left + right)))
    return (0.5 * (left + right))[~(top <= bound)].tolist()


def _bisected(
    function: Scalar, ends: Array, values: Array, stages: tuple[int, ...], least: float
) -> tuple[Array, Array, Array, Array]:
    """Ends of the cells across which a difference is left after all stages of halving, and the values there."""
    cells = ends[:-1], ends[1:], values[:-1], values[1:]
    for halvings, shrunk in zip(stages, SHRUNK, strict=False):
        with np.errstate(invalid="ignore"):
            before = np.abs(cells[3] - cells[2])
            cells = _shrink(function, cells, halvings)
            keep = ~(np.abs(cells[3] - cells[2]) <= np.maximum(shrunk * before, least))
        cells = cells[0][keep], cells[1][keep], cells[2][keep], cells[3][keep]
    return cells


def _shrink(
    function: Scalar, cells: tuple[Array, Array, Array, Array], halvings: int
) -> tuple[Array, Array, Array, Array]:
    """Cells and values at their ends after so many halvings, each time to the half across which more happens."""
    left, right, low, high = cells
    for _ in range(halvings if len(left) else 0):
        middle = 0.5 * (left + right)
        value = _values(function, middle)
        first, second = np.abs(value - low), np.abs(high - value)
        use_left = np.where(np.isnan(first), np.inf, first) >= np.where(np.isnan(second), np.inf, second)
        left, low = np.where(use_left, left, middle), np.where(use_left, low, value)
        right, high = np.where(use_left, middle, right), np.where(use_left, value, high)
    return left, right, low, high


def _bends(phi: Scalar, jumps: list[float]) -> list[float]:
    """Points where the slope of a continuous phi jumps, from difference quotients, to about 1e-9."""

    def slope(x: float) -> float:
        return (phi(x + SLOPE_STEP) - phi(x - SLOPE_STEP)) / (2.0 * SLOPE_STEP)

    ends = _ends()
    values = _values(slope, ends)
    left, right, *_ = _bisected(slope, ends, values, SLOPE_STAGES, LEAST_BEND * float(np.abs(values).max()))
    points = 0.5 * (left + right)
    if jumps:
        points = points[np.abs(points[:, None] - np.asarray(jumps)).min(axis=1) > 1e-4]
    return [_round(_crossing(phi, _crossing(phi, x)), 1e-8) for x in points.tolist()]


def _crossing(phi: Scalar, x: float) -> float:
    """Where the lines that phi follows on both sides of ``x`` meet."""
    near, far = 2e-5, 4e-5
    a, b = (float(phi(x - far)), float(phi(x - near))), (float(phi(x + near)), float(phi(x + far)))
    slopes = (a[1] - a[0]) / (far - near), (b[1] - b[0]) / (far - near)
    if slopes[0] == slopes[1]:
        return x
    crossing = x + (a[1] + slopes[0] * near - b[0] + slopes[1] * near) / (slopes[1] - slopes[0])
    return crossing if abs(crossing - x) < far else x


def _round(x: float, tolerance: float) -> float:
    """The decimal number of up to nine places that is meant, where one is within ``tolerance``."""
    decimal = round(x, 9)
    return decimal + 0.0 if abs(decimal - x) <= tolerance * max(1.0, abs(x)) else x
