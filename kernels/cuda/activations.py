"""Activations on the GPU: one device function each, h and a parameter to phi(h) and phi'(h)."""

from ..body.activations import BY_KIND
from ..body.scalars import float32, float64
from ._compile import device
from .bodies import nonlinearities


def function_of(kind):
    """The device function of a built-in activation."""
    return getattr(nonlinearities, BY_KIND[kind].__name__)


def function_of_user(phi, dphi):
    """A device function of a user's scalar functions, in float64 as on the processor; without ``dphi`` a difference."""
    compiled_phi = device(phi)
    if dphi is None:

        def by_difference(h, a):
            v = float64(h)
            size = v if v >= 0.0 else -v
            step = 1e-5 * (size if size > 1.0 else 1.0)
            return float32(compiled_phi(v)), float32((compiled_phi(v + step) - compiled_phi(v - step)) / (2.0 * step))

        return device(by_difference)
    compiled_dphi = device(dphi)

    def with_derivative(h, a):
        v = float64(h)
        return float32(compiled_phi(v)), float32(compiled_dphi(v))

    return device(with_derivative)
