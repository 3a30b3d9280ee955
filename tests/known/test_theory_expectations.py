"""Gaussian expectations against mpmath: every built-in activation, from q = 1e-12 to 1e6."""

import math

import mpmath as mp
import pytest

from mcflow import theory
from mcflow.activations import registry
from mcflow.activations.formulas import GELU_TANH_CUBIC, PARAMETRIC, PLAIN, SELU_ALPHA, SELU_SCALE
from mcflow.errors import InputError
from mcflow.mean_field import moments, pairs

TOLERANCE = 1e-10
VARIANCES = (1e-12, 1e-4, 1.0, 100.0, 1e6)


def leaky(a):
    return (lambda x: x if x > 0 else a * x), (lambda x: mp.mpf(1) if x > 0 else mp.mpf(a))


def elu(a, scale=1):
    return (
        lambda x: scale * (x if x > 0 else a * mp.expm1(x)),
        lambda x: scale * (mp.mpf(1) if x > 0 else a * mp.exp(x)),
    )


def clipped(low, high, offset=0, slope=1):
    return (
        lambda x: min(max(slope * x + offset, mp.mpf(low)), mp.mpf(high)),
        lambda x: mp.mpf(slope) if low < slope * x + offset < high else mp.mpf(0),
    )


def logistic(x):
    return 1 / (1 + mp.exp(-x))


def gelu_tanh(x):
    return x * logistic(2 * mp.sqrt(2 / mp.pi) * (x + GELU_TANH_CUBIC * x**3))


def gelu_tanh_slope(x):
    inner = mp.sqrt(2 / mp.pi) * (x + GELU_TANH_CUBIC * x**3)
    rate = mp.sqrt(2 / mp.pi) * (1 + 3 * GELU_TANH_CUBIC * x**2)
    s = logistic(2 * inner)
    return s + x * s * (1 - s) * 2 * rate


def softplus(x):
    return mp.log1p(mp.exp(x)) if x < 0 else x + mp.log1p(mp.exp(-x))


def density(x):
    return mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)


TRUTH = {
    "identity": leaky(1),
    "relu": leaky(0),
    "leaky_relu": leaky(mp.mpf("0.01")),
    "prelu": leaky(mp.mpf("0.25")),
    "elu": elu(1),
    "celu": elu(1),
    "selu": elu(mp.mpf(SELU_ALPHA), mp.mpf(SELU_SCALE)),
    "relu6": clipped(0, 6),
    "hardtanh": clipped(-1, 1),
    "hardsigmoid": clipped(0, 1, mp.mpf(1) / 2, mp.mpf(1) / 6),
    "hardswish": (
        lambda x: x * min(max(x / 6 + mp.mpf(1) / 2, mp.mpf(0)), mp.mpf(1)),
        lambda x: mp.mpf(0) if x <= -3 else mp.mpf(1) if x >= 3 else x / 3 + mp.mpf(1) / 2,
    ),
    "gelu": (lambda x: x * mp.ncdf(x), lambda x: mp.ncdf(x) + x * density(x)),
    "gelu_tanh": (gelu_tanh, gelu_tanh_slope),
    "silu": (lambda x: x * logistic(x), lambda x: logistic(x) * (1 + x * (1 - logistic(x)))),
    "mish": (
        lambda x: x * mp.tanh(softplus(x)),
        lambda x: mp.tanh(softplus(x)) + x * mp.sech(softplus(x)) ** 2 * logistic(x),
    ),
    "softplus": (softplus, logistic),
    "softsign": (lambda x: x / (1 + abs(x)), lambda x: 1 / (1 + abs(x)) ** 2),
    "tanh": (mp.tanh, lambda x: mp.sech(x) ** 2),
    "sigmoid": (logistic, lambda x: logistic(x) * logistic(-x)),
    "erf": (mp.erf, lambda x: 2 / mp.sqrt(mp.pi) * mp.exp(-x * x)),
    "squared_relu": (lambda x: max(x, mp.mpf(0)) ** 2, lambda x: 2 * max(x, mp.mpf(0))),
}


def truth(function, q, kinks):
    """E f(sqrt(q) z) by mpmath's Gauss-Legendre rule of high degree on panels that know the kinks and the scale."""
    root = mp.sqrt(mp.mpf(q))
    structure = [s * x for x in (0, 1, 2, 4, 8, 16, 60, 250, 1000, 4000) for s in (-1, 1)]
    points = sorted({mp.mpf(x) / root for x in [*structure, *kinks]} | {mp.mpf(x) for x in range(-13, 14)})
    points = [x for x in points if abs(x) <= 13]
    return mp.quad(lambda z: function(root * z) * density(z), points, method="gauss-legendre", maxdegree=5)


def test_truth_is_there_for_every_built_in_activation():
    assert set(TRUTH) | {"sin"} == {*PLAIN, *PARAMETRIC}


@pytest.mark.parametrize("name", sorted(TRUTH))
def test_expectations_agree_with_mpmath(name):
    phi, dphi = TRUTH[name]
    kinks = registry.get(name).kinks
    with mp.workdps(22):
        for q in VARIANCES:
            size = mp.sqrt(truth(lambda x: phi(x) ** 2, q, kinks))
            for of, function in (("phi^2", lambda x: phi(x) ** 2), ("dphi^2", lambda x: dphi(x) ** 2), ("phi", phi)):
                expected = truth(function, q, kinks)
                found = theory.expectation(name, q, of)
                if abs(expected) < 1e-15 * size:
                    assert abs(found) < 1e-15 * size
                else:
                    assert abs(found / expected - 1) < TOLERANCE, (of, q)


@pytest.mark.parametrize("q", VARIANCES)
def test_sin_has_its_closed_form(q):
    assert theory.expectation("sin", q, "phi^2") == pytest.approx(-math.expm1(-2 * q) / 2, rel=1e-14)
    assert theory.expectation("sin", q, "dphi^2") == pytest.approx((1 + math.exp(-2 * q)) / 2, rel=1e-14)


@pytest.mark.parametrize(
    ("name", "q", "c"),
    [("tanh", 1.0, 0.9), ("elu", 1e-12, 0.5), ("hardtanh", 1.0, 0.9)],
)
def test_products_at_a_correlation_agree_with_mpmath(name, q, c):
    phi, _ = TRUTH[name]
    kinks = [0.0, *registry.get(name).kinks]
    rule = {"maxdegree": 3, "method": "gauss-legendre"}
    with mp.workdps(17):
        root, s = mp.sqrt(mp.mpf(q)), mp.sqrt(1 - mp.mpf(c) ** 2)

        def inner(u):
            broken = sorted({(mp.mpf(k) / root - c * u) / s for k in kinks} | {mp.mpf(1.5) * x for x in range(-6, 7)})
            points = [x for x in broken if abs(x) <= 9]
            return mp.quad(lambda v: phi(root * (c * u + s * v)) * density(v), points, **rule)

        points = sorted(
            {mp.mpf(k) / root for k in kinks if abs(k / float(root)) < 9} | {mp.mpf(1.5) * x for x in range(-6, 7)}
        )
        expected = mp.quad(lambda u: phi(root * u) * inner(u) * density(u), points, **rule)
    found = theory.expectation(name, q, "phi phi", correlation=c)
    assert abs(found - expected) <= TOLERANCE * abs(expected) + 1e-14 * theory.expectation(name, q)


@pytest.mark.parametrize("name", ["relu", "leaky_relu:0.3", "erf", "sin", "squared_relu"])
@pytest.mark.parametrize("derivative", [False, True])
def test_closed_forms_of_products_agree_with_the_rule_in_the_plane(name, derivative):
    activation = registry.get(name)
    for q, c in ((1e-6, 0.3), (1.0, -0.95), (9.0, 0.9999)):
        closed = pairs.product(activation, q, 2 * q, c, derivative)
        plane = pairs._plane(activation, q, 2 * q, c, derivative, pairs.FINE)
        assert closed == pytest.approx(plane, rel=1e-11)


def test_a_question_that_is_none_is_refused_with_a_sentence():
    with pytest.raises(InputError, match="out of range"):
        theory.expectation("tanh", -1.0)
    with pytest.raises(InputError, match="did you mean"):
        theory.expectation("tanh", 1.0, "phi^3")
    with pytest.raises(InputError, match="phi phi"):
        theory.expectation("tanh", 1.0, "phi", correlation=0.5)


@pytest.mark.parametrize(
    ("text", "curvature"),
    [
        ("gelu", 1 / math.sqrt(2 * math.pi)),
        ("gelu_tanh", 1 / math.sqrt(2 * math.pi)),
        ("silu", 1 / 4),
        ("mish", 8 / 25),
        ("hardswish", 1 / 6),
        ("elu", 1 / 4),
        ("celu:0.5", 1 / 2),
    ],
)
def test_a_mean_far_below_its_deviation_keeps_its_digits(text, curvature):
    """Near 0, phi(h) + phi(-h) is 2 c h^2: E phi = c q, E[phi He_2] = 2 c q, and phi is like sqrt(q)."""
    q = 1e-36
    mean = moments.moments(registry.get(text), q).mean / q
    assert mean[:2] == pytest.approx([curvature, 2 * curvature], rel=1e-11)
    assert abs(mean[2]) < 1e-11
