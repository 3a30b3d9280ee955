"""How tensor cores round, in NumPy: for the simulator, and for tests of what it does to a network.

Operands are seen to 11 bits and their products are exact; all that is added is cut to the unit of the largest, and the
sum to float32, both towards zero (Fasi, Higham, Mikaitis, Pranesh 2021, "Numerical behavior of NVIDIA tensor cores").
"""

import numpy

SPARE_BITS = 2  # below float32's last bit of the largest number that is added
_LEADING = numpy.int32(-8192)


def leading_bits(values):
    """The float32 numbers that a tensor core sees of these."""
    return (numpy.asarray(values, numpy.float32).view(numpy.int32) & _LEADING).view(numpy.float32)


def multiply_add(c, a, b):
    """C + A B of float32 matrices (m, n), (m, 8), (8, n), as one instruction makes it."""
    products = leading_bits(a).astype(float)[:, :, None] * leading_bits(b).astype(float)[None]
    added = numpy.concatenate([products, numpy.asarray(c, float)[:, None]], axis=1)
    largest = numpy.frexp(numpy.abs(added).max(axis=1, keepdims=True))[1]
    unit = numpy.ldexp(1.0, largest - 24 - SPARE_BITS)
    return _towards_zero((numpy.trunc(added / unit) * unit).sum(axis=1))


def _towards_zero(values):
    nearest = values.astype(numpy.float32)
    return numpy.where(numpy.abs(nearest) > numpy.abs(values), numpy.nextafter(nearest, numpy.float32(0.0)), nearest)
