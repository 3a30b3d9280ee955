"""Scalar types, and the two bit casts that each compiler replaces with an instruction of its own."""

import numpy
from numpy import float32, float64, int32, int64, uint32, uint64

__all__ = ["bits_of", "float32", "float64", "float_of", "int32", "int64", "uint32", "uint64"]


def bits_of(x):
    """The 32 bits of a float32 as int32."""
    return numpy.float32(x).view(numpy.int32)


def float_of(i):
    """The float32 that has the 32 bits of the int32 ``i``."""
    return numpy.int32(i).view(numpy.float32)
