"""Activations by name: the built-in ones, and a user's own from Python or as ``module:phi,dphi``."""

from __future__ import annotations

import importlib
import math
import os
import sys
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mcflow.activations import slope_levels
from mcflow.activations.formulas import PARAMETRIC, PLAIN, Asymptote, Elementwise, Formula
from mcflow.activations.user_functions import (
    PROBES,
    Scalar,
    as_it_is,
    check_derivative,
    check_scalar,
    difference,
    find_breaks,
    vectorize,
)
from mcflow.errors import InputError, nearest
from mcflow.quantities import SATURATION

# Of h in units of (period / 2 pi)^2: E sin^2 = (1 - exp(-2 q)) / 2 and its like, and exp(-800) is 0.
FAR_PHASE = 400.0
ALIASES = {"linear": "identity", "swish": "silu", "logistic": "sigmoid", "hard_tanh": "hardtanh"}


@dataclass(frozen=True, kw_only=True)
class Activation(Formula):
    """One elementwise nonlinearity: a formula with a name; see ``Formula`` for what it says.

    ``kind`` is the name without the parameter, under which the kernels know it. ``scalar`` holds a user's own pair of
    plain Python functions, to be compiled into the kernels; built-in activations have None there. ``jumps`` are those
    kinks of a user's phi at which phi itself jumps.
    """

    name: str
    kind: str
    parameter: float
    scalar: tuple[Scalar, Scalar | None] | None = field(default=None, repr=False, compare=False)
    jumps: tuple[float, ...] = ()

    @property
    def is_builtin(self) -> bool:
        """Whether its name says all of it: it is no function of the user's."""
        return self.scalar is None

    @property
    def derivative_by_difference(self) -> bool:
        """True where the user gave no derivative, so that a central difference stands in."""
        return self.scalar is not None and self.scalar[1] is None

    @property
    def has_slope(self) -> bool:
        """False where a difference quotient stands in for the derivative of a phi that jumps."""
        return not (self.jumps and self.derivative_by_difference)

    @property
    def far_variance(self) -> float:
        """q from which the phase of a periodic phi is uniform, and averages stay; infinite where there is no period."""
        return FAR_PHASE * (self.period / (2.0 * math.pi)) ** 2 if self.period else math.inf

    def fingerprint(self) -> str:
        """Sixteen hex digits that change when phi or phi' changes: what tells a user's edited function from the old."""
        import hashlib

        points = np.asarray(PROBES)
        values = np.concatenate([self.phi(points), self.dphi(points)])
        # 9 digits: enough to see an edit, few enough that another libm gives the same text
        text = self.name + "".join(f" {value:.9g}" for value in values)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


_registered: dict[str, Activation] = {}


def registered(name: str) -> Activation | None:
    """The user's own activation of that name; None where none was registered or loaded."""
    return _registered.get(name)


def names() -> list[str]:
    """Every name that ``get`` knows, built-in and registered, sorted."""
    return sorted({*builtin_names(), *_registered})


def builtin_names() -> list[str]:
    """The names of the built-in ones alone, sorted."""
    return sorted({*PLAIN, *PARAMETRIC})


def get(name: str) -> Activation:
    """The activation called ``name``: ``tanh``, ``leaky_relu:0.2``, ``module:phi,dphi`` or a registered name.

    Raises InputError for an unknown name (with the nearest ones), a parameter that does not fit, or a module or
    function that cannot be loaded.
    """
    if name in _registered:
        return _registered[name]
    typed, colon, rest = name.partition(":")
    kind = ALIASES.get(typed.lower(), typed.lower())
    if kind in PLAIN:
        if colon:
            raise InputError(f"activation {name!r}: {kind} takes no parameter; write {kind!r}")
        return _from_formula(kind, kind, math.nan)
    if kind in PARAMETRIC:
        return _with_parameter(kind, rest if colon else None)
    if colon:
        activation = _load(name, typed, rest)
        _registered[name] = activation
        return activation
    raise InputError(f"unknown activation {name!r}; {nearest(name, names())}")


def builtin(name: str) -> Activation | None:
    """The built-in activation called ``name``, or None: nothing is loaded for a name that may be a user's."""
    kind = name.partition(":")[0].lower()
    return get(name) if ALIASES.get(kind, kind) in builtin_names() else None


def _with_parameter(kind: str, text: str | None) -> Activation:
    default = PARAMETRIC[kind].default
    if text is None:
        parameter = default
    else:
        try:
            parameter = float(text)
        except ValueError:
            raise InputError(f"activation {kind}: parameter {text!r} is not a number; write {kind}:{default}") from None
        if not math.isfinite(parameter):
            raise InputError(f"activation {kind}: parameter {text!r} must be finite; write {kind}:{default}")
        if PARAMETRIC[kind].is_positive and parameter <= 0:
            raise InputError(f"activation {kind}: parameter {text!r} must be positive; write {kind}:{default}")
    name = kind if parameter == default else f"{kind}:{parameter!r}"
    return _from_formula(name, kind, parameter)


def _from_formula(name: str, kind: str, parameter: float) -> Activation:
    formula = PARAMETRIC[kind].of(parameter) if kind in PARAMETRIC else PLAIN[kind]
    return Activation(**vars(formula), name=name, kind=kind, parameter=parameter)


def ends_of(activation: Activation) -> tuple[np.float32, NDArray[np.float32], bool, float, NDArray[np.float32]]:
    """What kernels are told of an activation beside its formulas.

    The slope under which a unit is saturated (0 where phi' is unbounded), the asymptotes near zero and far out and
    whether they are phi itself, the period, and the intervals on which phi' is zero (one that holds nothing for none).
    """
    threshold = SATURATION * activation.dphi_max if math.isfinite(activation.dphi_max) else 0.0
    asymptotes = np.zeros((2, 3), np.float32)
    for i, asymptote in enumerate((activation.near_zero, activation.far)):
        if asymptote is not None:
            asymptotes[i] = asymptote.negative, asymptote.positive, asymptote.degree
    is_homogeneous = activation.is_builtin and activation.far is not None and activation.far == activation.near_zero
    flat = np.array(activation.flat or ((math.inf, -math.inf),), np.float32)
    return np.float32(threshold), asymptotes, is_homogeneous, activation.period, flat


def register(name: str, phi: Scalar, dphi: Scalar | None = None, kinks: tuple[float, ...] = ()) -> Activation:
    """Make a user's own activation known under ``name``.

    ``phi`` and ``dphi`` are plain Python functions of one float that return one float. They are compiled into the
    kernels, with the values that their globals have now, and may use arithmetic, ``if``, ``math`` and what Numba knows
    of NumPy for one float, as ``np.tanh`` (docs/activations.md). Without ``dphi`` a central difference stands in.
    ``kinks`` are the points where phi or phi' jumps; those on [-30, 30] that are not given are searched for, one in
    each 0.01.

    Raises InputError where phi or dphi is not a finite real scalar function, phi has a pole, dphi is not the derivative
    of phi, or the name is that of a built-in activation.
    """
    if name.partition(":")[0] in {*PLAIN, *PARAMETRIC, *ALIASES}:
        raise InputError(f"activation {name!r} is built in; register yours under another name")
    check_scalar(name, "phi", phi)
    phi = as_it_is(phi)
    if dphi is not None:
        check_scalar(name, "dphi", dphi)
        dphi = as_it_is(dphi)
        check_derivative(name, phi, dphi)
    breaks = find_breaks(name, phi, dphi, _points(name, kinks))
    vector_phi = vectorize(phi)
    vector_dphi = difference(vector_phi) if dphi is None else vectorize(dphi)
    largest = _largest_slope(vector_dphi, breaks.jumps if dphi is None else ())
    activation = Activation(
        phi=vector_phi,
        dphi=vector_dphi,
        kinks=breaks.kinks,
        dphi_max=largest,
        near_zero=_asymptote(phi, 2.0**-40),
        far=_asymptote(phi, 2.0**40),
        flat=slope_levels.flat_intervals(vector_dphi, breaks.kinks, largest, dphi is None),
        name=name,
        kind="user",
        parameter=math.nan,
        scalar=(phi, dphi),
        jumps=breaks.jumps,
    )
    _registered[name] = activation
    return activation


def _points(name: str, kinks: object) -> tuple[float, ...]:
    try:
        points = tuple(float(kink) for kink in kinks)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        points = (math.nan,)
    if not all(math.isfinite(point) for point in points):
        raise InputError(f"activation {name!r}: kinks = {kinks!r}; give finite numbers, as in kinks = (-1.0, 1.0)")
    return points


def _largest_slope(dphi: Elementwise, jumps: tuple[float, ...]) -> float:
    """max |phi'| on [-30, 30], away from jumps that a difference quotient would take for slopes."""
    points = np.linspace(-30.0, 30.0, 6001)
    for jump in jumps:
        points = points[np.abs(points - jump) > 1e-3]
    return float(np.abs(dphi(points)).max(initial=0.0))


def _asymptote(phi: Scalar, scale: float) -> Asymptote | None:
    """The one-sided slopes of phi at ``scale``, where phi is linear there to float32 accuracy; None elsewhere."""
    try:
        with np.errstate(all="ignore"):
            here = [phi(sign * scale) / scale for sign in (-1.0, 1.0)]
            beyond = [phi(sign * scale * factor) / (scale * factor) for sign in (-1.0, 1.0) for factor in (0.25, 4.0)]
    except (ArithmeticError, ValueError):
        return None
    size = max(abs(value) for value in here)
    if not math.isfinite(size) or size == 0.0:
        return None
    near = np.abs(np.asarray(beyond) - np.repeat(here, 2)) <= 1e-7 * size
    # a side that stays bounded has the slope 0, not that of its limit over ``scale``
    here = [0.0 if abs(value) <= 1e-7 * size else float(value) for value in here]
    return Asymptote(here[0], here[1]) if bool(near.all()) else None


def _load(name: str, module_name: str, functions: str) -> Activation:
    """Import ``module:phi,dphi``; the working directory is importable while it loads."""
    parts = [part.strip() for part in functions.split(",")]
    if not module_name or len(parts) > 2 or not all(part.isidentifier() for part in parts):
        raise InputError(f"activation {name!r}: write module:phi,dphi or module:phi")
    here = os.getcwd()
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise InputError(
            f"unknown activation {name!r}: no module named {error.name!r} here; {nearest(module_name, names())}"
        ) from None
    except Exception as error:
        raise InputError(f"activation {name!r}: importing it raised {type(error).__name__}: {error}") from None
    finally:
        if added and here in sys.path:
            sys.path.remove(here)
    missing = [part for part in parts if not callable(getattr(module, part, None))]
    if missing:
        raise InputError(f"activation {name!r}: module {module_name!r} has no function {missing[0]!r}")
    phi = getattr(module, parts[0])
    dphi = getattr(module, parts[1]) if len(parts) == 2 else None
    return register(name, phi, dphi, tuple(getattr(module, "kinks", ())))
