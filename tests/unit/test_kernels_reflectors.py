"""Householder factors of columns of any kind: zero, equal, collinear, of unlike sizes, of the smallest float32."""

import numpy as np
import pytest
from compiled import entry
from mcflow.kernels.cpu import reflectors

EPSILON = 2.0**-23
RNG = np.random.default_rng(7)
ONE, TWO, THREE = RNG.normal(size=(3, 40))


def factor(columns):
    """Q (rows, rows) from the reflections, and R (r, columns)."""
    columns = np.array(columns, np.float32)
    count, rows = columns.shape
    a, tau, triangle = columns.ravel().copy(), np.zeros(count, np.float32), np.zeros((count, count), np.float32)
    entry(reflectors.factor)(reflectors.Columns(a, 0, rows), rows, count, tau, triangle)
    r = min(rows, count)
    q = np.eye(rows)
    for j in range(r - 1, -1, -1):
        v = np.concatenate([np.zeros(j), a.reshape(count, rows)[j, j:].astype(float)])
        q -= float(tau[j]) * np.outer(v, v @ q)
    return q, np.triu(triangle.astype(float)[:r])


COLUMNS = {
    "general": [ONE, TWO, THREE],
    "equal": [ONE] * 9,
    "equal-pairs": [ONE, ONE, TWO, TWO, THREE, THREE],
    "collinear": [ONE, -ONE, 3.7 * ONE, 1e-9 * ONE],
    "plane": [ONE, TWO, 0.3 * ONE + TWO, ONE - 5.0 * TWO, THREE],
    "zero": [0.0 * ONE, ONE, 0.0 * ONE, TWO],
    "unlike": [ONE, 1e-20 * TWO, 1e-30 * THREE],
    "smallest-first": [1e-41 * ONE, TWO, THREE],
    "smallest-last": [ONE, 1e-41 * TWO, 0.0 * ONE],
    "more-columns": [ONE[:3], TWO[:3], THREE[:3], ONE[3:6], TWO[3:6]],
    "one-row": [ONE[:1], TWO[:1], THREE[:1]],
    "first-unit-alone": [np.eye(40)[0], -2.0 * np.eye(40)[0]],
    "minus-first-unit": [-np.eye(40)[0], ONE],
    "minus-first-unit-almost": [-np.eye(40)[0] + 1e-4 * ONE, -np.eye(40)[0] - 1e-12 * TWO],
    "first-number-tiny": [np.concatenate([[-1e-40], ONE]), np.concatenate([[1e-40], ONE])],
}
RANKS = {"equal": 1, "equal-pairs": 3, "collinear": 1, "plane": 3, "zero": 2, "first-unit-alone": 1}


@pytest.mark.parametrize("what", COLUMNS)
def test_any_columns_are_factored(what):
    columns = np.array(COLUMNS[what], np.float32).astype(float)
    q, r = factor(columns)
    np.testing.assert_allclose(q.T @ q, np.eye(len(q)), atol=20 * EPSILON)
    for k, column in enumerate(columns):
        error = np.linalg.norm(q[:, : len(r)] @ r[:, k] - column)
        smallest = 1e-44 * np.sqrt(len(column))  # what float32 itself rounds to
        assert error <= 20 * EPSILON * np.linalg.norm(column) + smallest
    assert (np.diag(r) <= 0.0).all()
    if what in RANKS:  # what depends on columns before it leaves no round-off
        assert np.count_nonzero(np.diag(r)) == RANKS[what]


def test_a_first_number_of_either_sign_gives_one_reflection():
    (below, _), (above, _) = (factor([column]) for column in COLUMNS["first-number-tiny"])
    np.testing.assert_allclose(below, above, atol=20 * EPSILON)


def test_a_normal_number_that_is_zero_is_a_frame():
    z = np.zeros(1, np.float32)
    entry(reflectors.orthonormalize)(reflectors.Columns(z, 0, 1), 1, 1)
    assert z[0] == 1.0
