"""What both devices are told of a case: exponents apart from float32 numbers, parameters as they take them."""

import math

import numpy as np
import pytest

from mcflow.activations import registry
from mcflow.sampling import arguments


@pytest.mark.parametrize("size", [1e-300, 1e-12, 1e-3, 1.0, 7.3, 1e9, 1e12, 1e300])
def test_a_size_and_its_exponent_stay_inside_float32(size):
    exponent = arguments.exponent_of(size)
    mantissa, exponents = arguments.split(np.array([size]))
    assert math.ldexp(float(mantissa[0]), int(exponents[0])) == size
    assert exponents[0] == exponent
    assert (exponent == 0) == (2.0**-33 < size < 2.0**31)  # plain sizes keep 2^0
    assert 1e-10 < math.ldexp(size, -exponent) < 1e10


def test_nothing_has_no_exponent():
    assert arguments.exponent_of(0.0) == 0


def test_an_activation_without_a_parameter_has_zero():
    assert arguments.parameter_of(registry.get("tanh")) == np.float32(0.0)
    assert arguments.parameter_of(registry.get("leaky_relu:0.2")) == np.float32(0.2)
