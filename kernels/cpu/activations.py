"""Activation loops: one compiled function over arrays for each activation, called by address.

Built-in ones are cached on disk one by one; a user's own is compiled when it is first met, in about a second.
"""

import math
from typing import NamedTuple

import numba

from ..body import slopes
from ..body.activations import BY_KIND
from ..body.elementary import LOG2_E
from ..body.scalars import float32, float64, int64
from ..body.slopes import EXCESS_EXPONENT, LAST_LOG2
from ._compile import EXACT, FLOATS, copy_with, loop
from .bodies import log_slopes, nonlinearities

SIGNATURE = (FLOATS, FLOATS, FLOATS, numba.int64, numba.float32)  # h, x, d, count, parameter

_LN2 = math.log(2.0)
# h, d, count, exponent of h, parameter, exponent of d
_SIGNATURE_OF_SLOPES = (FLOATS, FLOATS, numba.int64, numba.int64, numba.float32, numba.types.CPointer(numba.int64))

# Compiled loops, kept: an address is only good while its function lives.
_loops: dict = {}


class Code(NamedTuple):
    """What a kernel is told of an activation: the addresses of two loops.

    That of h, x = phi(h), d = phi'(h), count, parameter; and that of slopes beyond float32 (``_slope_loop``), 0 where
    it needs none.
    """

    address: int
    slopes: int


def code_of(kind: str) -> Code:
    """The code of a built-in activation."""
    if kind not in _loops:
        name = BY_KIND[kind].__name__
        _loops[kind] = loop(*SIGNATURE)(copy_with(_loop, name, body=getattr(nonlinearities, name)))
    return Code(_loops[kind].address, _address_of_slopes(kind))


def code_of_user(key: str, phi, dphi) -> Code:
    """The code of a user's scalar functions; without ``dphi`` a central difference in float64 stands in."""
    if key not in _loops:
        _loops[key] = loop(*SIGNATURE, cache=False)(_user_loop(phi, dphi))
    return Code(_loops[key].address, _address_of_user_slopes(key, dphi))


def _address_of_slopes(kind):
    if kind not in slopes.BY_KIND:
        return 0
    name = slopes.BY_KIND[kind].__name__
    if (kind, "slopes") not in _loops:
        copy = copy_with(_slope_loop, name, log_slope=getattr(log_slopes, name))
        _loops[kind, "slopes"] = loop(*_SIGNATURE_OF_SLOPES)(copy)
    return _loops[kind, "slopes"].address


def _address_of_user_slopes(key, dphi):
    """As far as float64 goes; 0 where there is no derivative."""
    if dphi is None:
        return 0
    if (key, "slopes") not in _loops:
        compiled_dphi = numba.njit(dphi, **EXACT)

        def log_slope(h, excess, a):
            slope = float64(compiled_dphi(float64(h)))
            if slope == 0.0:
                return float32(0.0), float32(0.0)
            return float32(math.copysign(1.0, slope)), float32(math.log(abs(slope)))

        copy = copy_with(_slope_loop, "user", log_slope=numba.njit(log_slope, **EXACT))
        _loops[key, "slopes"] = loop(*_SIGNATURE_OF_SLOPES, cache=False)(copy)
    return _loops[key, "slopes"].address


def _user_loop(phi, dphi):
    compiled_phi = numba.njit(phi, **EXACT)
    if dphi is None:

        def by_difference(h, x, d, n, a):
            for i in range(n):
                v = float64(h[i])
                step = 1e-5 * max(1.0, abs(v))
                x[i] = float32(compiled_phi(v))
                d[i] = float32((compiled_phi(v + step) - compiled_phi(v - step)) / (2.0 * step))

        return by_difference
    compiled_dphi = numba.njit(dphi, **EXACT)

    def with_derivative(h, x, d, n, a):
        for i in range(n):
            v = float64(h[i])
            x[i] = float32(compiled_phi(v))
            d[i] = float32(compiled_dphi(v))

    return with_derivative


def _loop(h, x, d, n, a):
    for i in range(n):
        x[i], d[i] = body(h[i], a)  # noqa: F821  (a global of the copy that is compiled)


def _slope_loop(h, d, n, exponent, a, out):
    """d = phi'(h 2**exponent) 2**-e with the largest of them between 1 and 2; e into ``out``.

    All zero, and e = 0, where the largest is below 2^-LAST_LOG2 or is none.
    """
    shown = max(-EXCESS_EXPONENT, min(EXCESS_EXPONENT, exponent))
    scale, excess = float32(math.ldexp(1.0, shown)), float32(max(0, exponent - shown))
    largest = -LAST_LOG2
    for i in range(n):
        sign, log = log_slope(h[i] * scale, excess, a)  # noqa: F821  (a global of the copy that is compiled)
        if sign != float32(0.0):
            largest = max(largest, float32(log * LOG2_E))
    e = 0
    if largest > -LAST_LOG2:
        e = int64(math.floor(largest))
    for i in range(n):
        sign, log = log_slope(h[i] * scale, excess, a)  # noqa: F821
        d[i] = float32(sign * float32(math.exp(float64(log) - e * _LN2)))
    out[0] = e
