"""From h of a layer to phi(h) and phi'(h) at any size, and the shares of units that are active and saturated.

Arrays of a layer are flat float32 of K inputs x n units and carry a power of two (see ``layers.py``). Where phi has to
see true values that leave float32, it sees the largest float32, or what its asymptote or its period makes of them.
"""

import math

import numpy as np

from ._compile import call, inner
from .sums import LAST_EXPONENT, exponent_of, rescale

# Beyond 2^+-33 an activation with an asymptote is that asymptote to float32 accuracy, and is carried scaled.
FAR_EXPONENT = 33
# Up to this size float32 tells the angles of a periodic activation apart.
PERIODIC_EXPONENT = 12
LARGEST = float(np.finfo(np.float32).max)
# Below it float32 squares and their sums may lose the slopes that matter: those near the largest of a layer.
LEAST_SLOPE = np.float32(2.0**-60)


@inner
def _counts(h, d, length, low, high, saturation):
    """How many h lie in [low, high], and how many slopes are small; 32-bit counts have the lanes of float32.

    A pass of its own: beside the float64 sums it takes twice the time of both.
    """
    flat, saturated = np.int32(0), np.int32(0)
    for i in range(np.uint64(length)):
        flat = np.int32(flat + np.int32((h[i] >= low) & (h[i] <= high)))
        saturated = np.int32(saturated + np.int32(abs(d[i]) < saturation))
    return flat, saturated


@inner
def _end_at(end, exponent):
    """An end of an interval in the scale 2**exponent; never zero but for zero itself, so that it keeps its side."""
    if exponent == 0 or end == np.float32(0.0) or math.isinf(end):
        return end
    size = math.ldexp(np.float64(abs(end)), max(-1000, min(1000, -exponent)))
    return np.float32(math.copysign(max(size, 1.2e-38), np.float64(end)))


@inner
def active_and_saturated(h, d, length, exponent, nonlinearity):
    """How many units have phi' != 0, and how many |phi'| < 0.01 max |phi'|; h carries ``exponent``, d nothing.

    Active is what phi is, not what float32 makes of its slope: outside the intervals on which phi' is zero.
    """
    flat, saturated = 0, 0
    for j in range(nonlinearity.flat.shape[0]):
        low, high = _end_at(nonlinearity.flat[j, 0], exponent), _end_at(nonlinearity.flat[j, 1], exponent)
        inside, saturated = _counts(h, d, length, low, high, nonlinearity.saturation)
        flat += inside
    return length - flat, flat if nonlinearity.saturation == np.float32(0.0) else saturated


@inner
def _apply_asymptote(h, x, d, length, negative, positive, degree):
    """x and d of phi(h) = c |h|^degree; x carries 2^(exponent degree) then, and d 2^(exponent (degree - 1))."""
    if degree == np.float32(1.0):
        for i in range(np.uint64(length)):
            above = h[i] > np.float32(0.0)
            x[i] = positive * h[i] if above else -negative * h[i]
            d[i] = positive if above else -negative
    else:
        for i in range(np.uint64(length)):
            above = h[i] > np.float32(0.0)
            c = positive if above else negative
            size = abs(h[i])
            x[i] = c * size * size
            d[i] = np.float32(2.0) * (c * size if above else -c * size)


@inner
def _true_values(h, x, length, exponent, most, period):
    """x = h 2**exponent within +-most, or modulo the period: what phi is shown of values beyond float32."""
    scale = math.ldexp(1.0, min(800, exponent))  # with any float32 inside float64
    for i in range(np.uint64(length)):
        v = np.float64(h[i]) * scale
        if period > 0.0:
            v = v % period
        v = most if v > most else v  # this way round NaN passes
        x[i] = np.float32(-most if v < -most else v)


@inner
def _far_out(h, x, d, length, size, nonlinearity):
    """``activate`` of h that carries 2**size, the power of two below its root mean square, where that is large.

    One input may lie near zero where another is far out, and a layer may have nothing but the bounded side of phi: so
    the asymptote stands for phi unit by unit, where the unit itself is beyond 2^33. Returns the exponent of x.
    """
    negative, positive = nonlinearity.asymptotes[1, 0], nonlinearity.asymptotes[1, 1]
    if nonlinearity.asymptotes[1, 2] == np.float32(0.0):
        _true_values(h, x, length, size, LARGEST, nonlinearity.period)
        call(nonlinearity.address, (x, x, d, length, nonlinearity.parameter))
        return 0
    _true_values(h, x, length, size, 2.0**FAR_EXPONENT, 0.0)
    call(nonlinearity.address, (x, x, d, length, nonlinearity.parameter))
    far = np.float32(math.ldexp(1.0, max(-149, FAR_EXPONENT - size)))
    is_large = False
    for i in range(np.uint64(length)):
        c = positive if h[i] > np.float32(0.0) else negative
        is_large |= (abs(h[i]) >= far) & (c != np.float32(0.0))
    exponent = size if is_large else 0
    if is_large:
        rescale(x, length, -size)
    for i in range(np.uint64(length)):
        if abs(h[i]) >= far:
            c = positive if h[i] > np.float32(0.0) else negative
            d[i] = c if h[i] > np.float32(0.0) else -c
            if c != np.float32(0.0):
                x[i] = c * abs(h[i])
    return exponent


@inner
def activate(h, x, d, length, exponent, mean_square, nonlinearity):
    """x = phi(h) and d = phi'(h) of flat arrays; returns the exponents of h, x and d.

    h (whose true value is h * 2**exponent, with ``mean_square`` the mean of the stored squares) is rescaled in place
    where phi has to see true values, or where they have left the middle of float32 and phi is homogeneous there.
    """
    size = exponent + exponent_of(mean_square)
    reach = FAR_EXPONENT if nonlinearity.period == 0.0 else PERIODIC_EXPONENT
    if (exponent == 0 and -FAR_EXPONENT < size < reach) or mean_square == 0.0:
        call(nonlinearity.address, (h, x, d, length, nonlinearity.parameter))
        return 0, 0, 0
    side = 0 if size <= -FAR_EXPONENT else 1
    degree = nonlinearity.asymptotes[side, 2]
    if size < reach and (size > -FAR_EXPONENT or degree == np.float32(0.0)):
        rescale(h, length, exponent)
        call(nonlinearity.address, (h, x, d, length, nonlinearity.parameter))
        return 0, 0, 0
    if size != exponent:
        rescale(h, length, exponent - size)
    size = max(-LAST_EXPONENT, min(LAST_EXPONENT, size))
    if side == 1 and not nonlinearity.is_homogeneous:
        return size, _far_out(h, x, d, length, size, nonlinearity), 0
    negative, positive = nonlinearity.asymptotes[side, 0], nonlinearity.asymptotes[side, 1]
    _apply_asymptote(h, x, d, length, negative, positive, degree)
    whole = np.int64(degree)
    return size, size * whole, size * (whole - 1)


@inner
def carry_small_slopes(h, d, length, exponent, nonlinearity, slope_exponent):
    """Where every slope of a layer is so small that float32 loses it: d scaled by its largest, from logarithms.

    h carries ``exponent``; that of d goes to ``slope_exponent[0]``, which is left as it is where d is fine.
    """
    if nonlinearity.slopes == 0:
        return
    largest = np.float32(0.0)
    for i in range(np.uint64(length)):
        largest = max(largest, abs(d[i]))
    if largest < LEAST_SLOPE:
        call(nonlinearity.slopes, (h, d, length, exponent, nonlinearity.parameter, slope_exponent))
