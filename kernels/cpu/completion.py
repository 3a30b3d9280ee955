"""What a collapsed walk leaves of a layer for its completion to weights: float32 planes, each for every input.

Which is what ``Memory.record`` holds where it is asked for: (L, PLANES, K, length).
"""

from ._compile import inner

# The layer's inputs and its gradients, as reflections or, of one input through normal weights, as they are; h, and
# W^T delta. At the end of each stand a reflection's tau and the exponent of what carries one.
INPUTS, GRADIENTS, PREACTIVATIONS, BACK = range(4)
PLANES = 4
TAU, EXPONENT = -2, -1
BESIDE = 2


@inner
def keep(plane, values, stride, length, batch):
    """Columns of ``length`` numbers, ``stride`` apart."""
    for k in range(batch):
        for i in range(length):
            plane[k, i] = values[k * stride + i]


@inner
def keep_reflections(plane, values, tau, stride, length, batch):
    keep(plane, values, stride, length, batch)
    for k in range(batch):
        plane[k, TAU] = tau[k]


@inner
def keep_layer(plane, values, n, exponent, batch):
    """Columns of n numbers that carry ``exponent``."""
    keep(plane, values, n, n, batch)
    for k in range(batch):
        plane[k, EXPONENT] = exponent
