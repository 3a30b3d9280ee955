"""The scalar bodies compiled for the processor, under their own names."""

from ..body import activations, elementary, normal, rng, slopes, weights
from ._compile import compile_body

scalars = compile_body(rng, elementary, normal, weights)
nonlinearities = compile_body(elementary, activations)
log_slopes = compile_body(elementary, slopes)

key_of = scalars.key_of
normal_pair = scalars.normal_pair
philox = scalars.philox
place_of = scalars.place_of
sign_weight = scalars.sign_weight
truncated_pair = scalars.truncated_pair
uniform_pair = scalars.uniform_pair
