"""Activation loops: one compiled function over arrays for each activation, called by address.

Built-in ones are cached on disk one by one; a user's own is compiled when it is first met, in about a second.
"""

import numba

from .._jit import EXACT, copy_with, loop
from ..body.activations import BY_KIND
from ..body.scalars import float32, float64
from .bodies import nonlinearities

FLOATS = numba.types.CPointer(numba.float32)
SIGNATURE = (FLOATS, FLOATS, FLOATS, numba.int64, numba.float32)  # h, x, d, count, parameter

# Compiled loops, kept: an address is only good while its function lives.
_loops: dict = {}


def address_of(kind: str) -> int:
    """Address of the loop of a built-in activation: h, x = phi(h), d = phi'(h), count, parameter."""
    if kind not in _loops:
        name = BY_KIND[kind].__name__
        _loops[kind] = loop(*SIGNATURE)(copy_with(_loop, name, body=getattr(nonlinearities, name)))
    return _loops[kind].address


def address_of_user(key: str, phi, dphi) -> int:
    """Address of the loop of a user's scalar functions; without ``dphi`` a central difference in float64 stands in."""
    if key not in _loops:
        _loops[key] = loop(*SIGNATURE, cache=False)(_user_loop(phi, dphi))
    return _loops[key].address


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
