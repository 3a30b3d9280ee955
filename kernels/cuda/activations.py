"""Activations on the GPU: one device function each, h and a parameter to phi(h) and phi'(h), and one for far slopes."""

import math
from typing import NamedTuple

from ..body import slopes
from ..body.activations import BY_KIND
from ..body.scalars import float32, float64
from ._compile import inner
from .bodies import log_slopes, nonlinearities


class Code(NamedTuple):
    """What a kernel is assembled with for an activation: device functions of h, and what is constant in it.

    ``log_slope`` is that of ``body/slopes.py``, and has no meaning unless ``has_slopes``. ``period`` is 0 but for a
    periodic phi. ``flats`` is how many intervals there are on which phi' is zero.
    """

    phi_and_slope: object
    log_slope: object
    has_slopes: bool
    period: float
    flats: int


def code_of(kind, period=0.0, flats=0):
    """The code of a built-in activation."""
    has_slopes = kind in slopes.BY_KIND
    name = slopes.BY_KIND[kind if has_slopes else "tanh"].__name__
    return Code(_function_of(kind), getattr(log_slopes, name), has_slopes, period, flats)


def code_of_user(phi, dphi, flats):
    """The code of a user's scalar functions."""
    return Code(_function_of_user(phi, dphi), _log_slope_of_user(dphi), dphi is not None, 0.0, flats)


def _function_of(kind):
    """The device function of a built-in activation."""
    return getattr(nonlinearities, BY_KIND[kind].__name__)


def _function_of_user(phi, dphi):
    """A device function of a user's scalar functions, in float64 as on the processor; without ``dphi`` a difference."""
    compiled_phi = inner(phi)
    if dphi is None:

        def by_difference(h, a):
            v = float64(h)
            size = v if v >= 0.0 else -v
            step = 1e-5 * (size if size > 1.0 else 1.0)
            return float32(compiled_phi(v)), float32((compiled_phi(v + step) - compiled_phi(v - step)) / (2.0 * step))

        return inner(by_difference)
    compiled_dphi = inner(dphi)

    def with_derivative(h, a):
        v = float64(h)
        return float32(compiled_phi(v)), float32(compiled_dphi(v))

    return inner(with_derivative)


def _log_slope_of_user(dphi):
    """The logarithm of a user's own derivative, as far as float64 goes."""
    if dphi is None:
        return log_slopes.tanh_
    compiled_dphi = inner(dphi)

    def log_slope(h, excess, a):
        slope = float64(compiled_dphi(float64(h)))
        if slope == 0.0:
            return float32(0.0), float32(0.0)
        return float32(1.0 if slope > 0.0 else -1.0), float32(math.log(abs(slope)))

    return inner(log_slope)
