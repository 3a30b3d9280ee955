"""What a layer does to the 2 x 2 Gram matrix of two inputs: its map, first and second derivatives, and its noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mcflow.activations.registry import Activation
from mcflow.errors import InputError
from mcflow.mean_field import plane
from mcflow.mean_field.evaluation import values
from mcflow.mean_field.plane import Rule
from mcflow.mean_field.quadrature import Array

# smooth phi: 1e-9, a fifth of a millisecond; with kinks: 1e-6, a millisecond
COARSE = Rule(6, 2.5, 7.5, smooth=True)
# a user's function: the first rule is used if the second, with other panels, agrees
CAREFUL = (Rule(10, 1.0, 8.0), Rule(8, 0.7, 8.0))
AGREED = 1e-3  # of the largest entry of each table, by which the two may differ
MOST_KINKS = 40  # of a user's function: the panels of every kink cross those of every other
NARROWEST = 1e-14  # of (1 - |c|) / 2: below it h_a and +-h_b agree to half the digits
ODD_COMPONENTS = np.array([False, False, True])  # in w: Y_zw
ODD_POLYNOMIALS = np.array([False, False, False, True, False, False, False, True, True])


@dataclass(frozen=True)
class PairMoments:
    """Averages over h = L y, y = (z, w) ~ N(0, 1), L = ((s_a C, s_a S), (s_b C, -s_b S)), C^2 = (1 + c) / 2 = 1 - S^2.

    x = L'^-1 sigma_w phi(h) is the next layer's pair in its own such coordinates, where its Gram matrix is 1. A small
    relative change Y of a Gram matrix, G -> L (1 + Y) L^T, has the components (Y_zz, Y_ww, Y_zw) everywhere. Nothing
    is lost where c -> 1: Y is relative to the small difference of the inputs, too.
    """

    plus: float  # C'^2 of the next layer
    minus: float  # S'^2
    jacobian: Array  # (3, 3) dY' / dY
    hessian: Array  # (3, 6): half the second derivative, for He4(z), He4(w), He2 He2, He3(z) w, z He3(w); see bend
    noise: Array  # (3, 3) n Cov of the next Gram matrix given this one
    cross_mean: float  # Cov(phi_a, phi_b)
    cross_second: float  # Cov(phi_a^2, phi_b^2)

    def bend(self, covariance: Array) -> Array:
        """(3,) half the second derivative of the map, contracted with the (3, 3) covariance of Y."""
        zz, ww, zw = range(3)
        weights = np.array(
            [
                covariance[zz, zz] / 8.0,
                covariance[ww, ww] / 8.0,
                covariance[zw, zw] / 2.0 + covariance[zz, ww] / 4.0,
                covariance[zz, zw] / 2.0,
                covariance[ww, zw] / 2.0,
            ]
        )
        return self.hessian @ weights


@dataclass(frozen=True)
class Step:
    """A pair in one layer and what its weights make of it: all of it relative, so that K may have any size.

    ``gain`` (2,) are sigma_w / sqrt(K') of the two inputs, ``bias`` (2,) sigma_b / sqrt(K').
    """

    scale: tuple[float, float]
    plus: float
    minus: float
    gain: tuple[float, float]
    bias: tuple[float, float]


def pair_moments(activation: Activation, step: Step) -> PairMoments:
    """Every average of one layer; memoised. Raises InputError where the activation is not finite."""
    return _pair_moments(activation, activation.scalar, step)


@lru_cache(maxsize=8192)
def _pair_moments(activation: Activation, scalar: object, step: Step) -> PairMoments:
    if activation.is_builtin:
        return _by_rule(activation, step, COARSE)
    if len(activation.kinks) > MOST_KINKS:
        raise InputError(f"activation {activation.name!r}: pairs are not predicted to first order: too many kinks")
    found, other = (_by_rule(activation, step, rule) for rule in CAREFUL)
    for name in ("jacobian", "hessian", "noise"):
        one, two = getattr(found, name), getattr(other, name)
        if not np.abs(one - two).max() <= AGREED * np.abs(one).max():
            raise InputError(
                f"activation {activation.name!r}: pairs are not predicted to first order: two quadrature rules differ"
            )
    return found


def _by_rule(activation: Activation, step: Step, rule: Rule) -> PairMoments:
    big, small = math.sqrt(max(step.plus, NARROWEST)), math.sqrt(max(step.minus, NARROWEST))
    scale_a, scale_b = step.scale
    z, w, weight, even = plane.nodes(activation, scale_a, scale_b, big, small, rule)
    phi_a = values(activation, scale_a * (big * z + small * w))
    phi_b = values(activation, scale_b * (big * z - small * w))
    half_a, half_b = 0.5 * step.gain[0] * phi_a, 0.5 * step.gain[1] * phi_b
    x_z, x_w = half_a + half_b, half_a - half_b
    plus = float(weight @ (x_z * x_z)) + 0.25 * (step.bias[0] + step.bias[1]) ** 2
    minus = float(weight @ (x_w * x_w)) + 0.25 * (step.bias[0] - step.bias[1]) ** 2
    x_z /= math.sqrt(max(plus, 1e-300))
    x_w /= math.sqrt(max(minus, 1e-300))
    f = np.stack([x_z * x_z, x_w * x_w, x_z * x_w])
    f_weight = f * weight
    z2, w2 = z * z, w * w
    polynomials = [
        np.ones_like(z),
        0.5 * (z2 - 1.0),
        0.5 * (w2 - 1.0),
        z * w,
        (z2 - 6.0) * z2 + 3.0,
        (w2 - 6.0) * w2 + 3.0,
        (z2 - 1.0) * (w2 - 1.0),
        (z2 - 3.0) * z * w,
        (w2 - 3.0) * z * w,
    ]
    table, square = f_weight @ np.stack(polynomials, axis=1), f_weight @ f.T
    if even:  # half of the plane stands for both: what is odd in w cancels
        table[ODD_COMPONENTS[:, None] != ODD_POLYNOMIALS] = 0.0
        square[ODD_COMPONENTS[:, None] != ODD_COMPONENTS] = 0.0
    noise = square - np.outer(table[:, 0], table[:, 0])
    mean_a, mean_b = weight @ phi_a, weight @ phi_b
    square_a, square_b = phi_a * phi_a, phi_b * phi_b
    if even:
        mean_a = mean_b = 0.5 * (mean_a + mean_b)
    second_a, second_b = weight @ square_a, weight @ square_b
    if even:
        second_a = second_b = 0.5 * (second_a + second_b)
    cross_mean = float(weight @ (phi_a * phi_b) - mean_a * mean_b)
    cross_second = float(weight @ (square_a * square_b) - second_a * second_b)
    return PairMoments(plus, minus, table[:, 1:4], table[:, 4:], noise, cross_mean, cross_second)
