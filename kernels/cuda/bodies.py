"""The scalar bodies compiled for the GPU, under their own names."""

from ..body import activations, elementary, normal, rng, slopes, sums, weights
from ..body.scalars import float32, int32
from . import rng as own_rng
from ._compile import SIMULATED, compile_body, cuda, inner

# By fmaxf and not by "if": from Python 3.12 on the bytecode of a choice inside a call is a branch, with two calls.
_LEAST = float32(2.0**-126)
_MINUS_TWO_LN2 = float32(-1.3862943611198906)

nonlinearities = compile_body(elementary, activations)
log_slopes = compile_body(elementary, slopes)
terms = compile_body(sums)
power_of_two = nonlinearities.power_of_two


def _square_root(x):
    """The square root of zero or a normal float32 by the reciprocal's instruction: 3 ulp, a tenth of the exact one."""
    return x * rsqrt_of_normal(cuda.libdevice.fmaxf(x, _LEAST))


def _minus_two_log(x, scale):
    """-2 log(x / 2^scale) by the instruction for log2, for x <= 2^scale; at least 2^-126, so that it has a root.

    Absolute error 4.4e-7 down to x = 2^scale / 2, relative error 3.2e-7 below: 2^-22 of lg2.approx (PTX ISA 9.1,
    section 9.7.3.20) and rounding. What that does to normals and moments stands in docs/cuda.md.
    """
    return cuda.libdevice.fmaxf(_MINUS_TWO_LN2 * log2_of_normal(x * power_of_two(int32(-scale))), _LEAST)


_replaced = {}  # for random numbers only: norms take the exact root
if not SIMULATED:
    from .instructions import log2_of_normal, rsqrt_of_normal

    _replaced = {"square_root": inner(_square_root), "minus_two_log": inner(_minus_two_log)}
scalars = compile_body(rng, elementary, normal, weights, **_replaced)

absolute = scalars.absolute
exp = nonlinearities.exp
first_four = terms.first_four
normal_pair = scalars.normal_pair
philox = compile_body(own_rng).philox
place_of = scalars.place_of
square_root = nonlinearities.square_root
sign_weight = scalars.sign_weight
truncated_pair = scalars.truncated_pair
uniform_pair = scalars.uniform_pair
