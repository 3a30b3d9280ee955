"""The scalar bodies compiled for the GPU, under their own names."""

from numba import cuda

from ..body import activations, elementary, normal, rng, weights
from ..body.scalars import float32
from . import rng as own_rng
from ._compile import SIMULATED, compile_body, device

LEAST = float32(2.0**-126)


def _square_root(x):
    """The square root of zero or a normal float32 by the reciprocal's instruction: 3 ulp, a tenth of the exact one."""
    return x * cuda.libdevice.rsqrtf(x if x > LEAST else LEAST)


# for the radius of Box & Muller only; norms take the exact one
_replaced = {} if SIMULATED else {"square_root": device(_square_root)}
scalars = compile_body(rng, elementary, normal, weights, **_replaced)
nonlinearities = compile_body(elementary, activations)

key_of = scalars.key_of
normal_pair = scalars.normal_pair
philox = compile_body(own_rng).philox
place_of = scalars.place_of
square_root = nonlinearities.square_root
sign_weight = scalars.sign_weight
truncated_pair = scalars.truncated_pair
uniform_pair = scalars.uniform_pair
