"""E[phi phi] at a correlation for every built-in activation, by Mehler's series of one-dimensional averages."""

import mpmath as mp
import numpy as np
import pytest
from test_theory_expectations import TRUTH, leaky

from mcflow import theory
from mcflow.activations import registry

TOLERANCE = 1e-10
TERMS = 3200  # 0.99^3200 = 1e-14
REACH, STEP, NODES = 14.0, 0.25, 24  # Hermite functions of degree 3200 turn by 28 a panel of 0.25: 24 nodes have it
SCALES = (0, 1, 2, 4, 8, 16, 60)  # in h, where the structure of smooth activations ends
CORRELATIONS = (-0.9, -0.3, 0.5, 0.9, 0.99)


def hermite_coefficients(phi, q, kinks):
    """(TERMS,) a_k = E[phi(sqrt(q) z) He_k(z)] / sqrt(k!), so that E[phi phi] = sum c^k a_k^2 (Mehler 1866).

    phi by mpmath to 20 digits; the rule, split at the kinks, and the recurrence in extended precision.
    """
    root = float(np.sqrt(q))
    structure = [s * x / root for x in SCALES for s in (-1, 1)]
    edges = np.unique([*np.arange(-REACH, REACH + STEP / 2, STEP), *structure, *(k / root for k in kinks)])
    edges = edges[np.abs(edges) <= REACH].astype(np.longdouble)
    x, w = (each.astype(np.longdouble) for each in np.polynomial.legendre.leggauss(NODES))
    half = np.diff(edges) / 2
    z = ((edges[1:] + edges[:-1])[:, None] / 2 + half[:, None] * x).ravel()
    weight = (half[:, None] * w).ravel()
    with mp.workdps(20):
        scale = mp.sqrt(mp.mpf(q))
        exact = [phi(scale * mp.mpf(float(each))) for each in z]
    values = np.array([np.longdouble(mp.nstr(each, 20)) if abs(each) > 1e-300 else np.longdouble(0) for each in exact])
    previous, here = np.zeros_like(z), np.exp(-z * z / 4) / np.sqrt(np.sqrt(2 * np.longdouble(np.pi)))
    values = values * weight * here
    out = np.empty(TERMS)
    for k in range(TERMS):
        out[k] = values @ here
        previous, here = here, (z * here - np.sqrt(np.longdouble(k)) * previous) / np.sqrt(np.longdouble(k + 1))
    return out


@pytest.mark.parametrize(
    "q", [1.0, pytest.param(1e-4, marks=pytest.mark.slow), pytest.param(40.0, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("name", sorted(set(TRUTH) | {"sin"}))
def test_products_agree_with_mehlers_series(name, q):
    phi = mp.sin if name == "sin" else TRUTH[name][0]
    squares = hermite_coefficients(phi, q, registry.get(name).kinks) ** 2
    size = theory.expectation(name, q)
    for c in CORRELATIONS:
        expected = float(squares @ c ** np.arange(TERMS))
        found = theory.expectation(name, q, "phi phi", correlation=c)
        assert abs(found - expected) <= TOLERANCE * abs(expected) + 1e-13 * size, c


def test_the_series_itself_has_the_arc_cosine_kernel():
    squares = hermite_coefficients(leaky(0)[0], 1.0, (0.0,)) ** 2
    for c in CORRELATIONS:
        kernel = (mp.sqrt(1 - c * c) + (mp.pi - mp.acos(c)) * c) / (2 * mp.pi)
        assert float(squares @ c ** np.arange(TERMS)) == pytest.approx(float(kernel), rel=1e-12)
