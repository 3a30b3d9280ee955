"""The scalar bodies compiled for the processor, under their own names."""

from ..body import activations, elementary, normal, rng, slopes, sums, weights
from ._compile import compile_body

scalars = compile_body(rng, elementary, normal, weights)
nonlinearities = compile_body(elementary, activations)
log_slopes = compile_body(elementary, slopes)
terms = compile_body(sums)

first_four = terms.first_four
first_two = terms.first_two
key_of = scalars.key_of
normal_pair = scalars.normal_pair
philox = scalars.philox
place_of = scalars.place_of
sign_weight = scalars.sign_weight
size_and_fourth = terms.size_and_fourth
truncated_pair = scalars.truncated_pair
uniform_pair = scalars.uniform_pair
