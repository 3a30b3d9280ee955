"""Rows of random numbers: every word at its address, every distribution as the oracle makes it."""

import numpy as np
import oracle
import pytest
from mcflow.kernels.body.rng import BIASES, WEIGHTS
from rows import rows_of

PAIRED = ("normal", "uniform", "truncated_normal")
# A normal is a radius under 6.67 times a cosine whose absolute error is 1.2e-7; signs have no error at all.
TOLERANCE = {"normal": 1e-6, "uniform": 1.5e-7, "truncated_normal": 5e-7, "rademacher": 0.0}
BIG_SEED, BIG_NETWORK = (0x89ABCDEF << 32) | 0x01234567, (1 << 39) + 12345


@pytest.mark.parametrize("name", [*PAIRED, "rademacher"])
@pytest.mark.parametrize("n", [*range(1, 71), 127, 128, 129, 512])
def test_row_of_any_width_is_the_oracles(name, n):
    rows, rest = rows_of(name, n, 3, first=5)
    assert np.isfinite(rows).all()
    assert np.isnan(rest).all()
    for r in (0, 2):
        expected = oracle.row(name, n, 7, 1, 2, WEIGHTS, 5 + r)
        np.testing.assert_allclose(rows[r, :n], expected, rtol=TOLERANCE[name], atol=TOLERANCE[name])


@pytest.mark.parametrize("name", PAIRED)
@pytest.mark.parametrize("n", [1, 3, 4, 17, 33, 60, 63, 64, 65, 70])
def test_rows_filled_across_equal_rows_filled_along(name, n):
    """Short rows in bulk are filled across rows: 40 rows at once are the bits of 40 times one row."""
    together, _ = rows_of(name, n, 40, first=11)
    alone = [rows_of(name, n, 1, first=11 + r)[0][0] for r in range(40)]
    assert together.tobytes() == np.asarray(alone).tobytes()


@pytest.mark.parametrize("name", [*PAIRED, "rademacher"])
@pytest.mark.parametrize(
    "address",
    [
        {"seed": BIG_SEED},
        {"network": BIG_NETWORK},
        {"layer": 65_535},
        {"stream": BIASES},
        {"first": (1 << 31) + 3},
        {"seed": (1 << 64) - 1, "network": (1 << 40) - 1, "layer": 65_535},
    ],
    ids=str,
)
def test_far_addresses_are_the_oracles(name, address):
    asked = {"seed": 7, "network": 1, "layer": 2, "stream": WEIGHTS, "first": 0} | address
    row = rows_of(name, 45, 1, **asked)[0][0, :45]
    expected = oracle.row(name, 45, *(asked[key] for key in ("seed", "network", "layer", "stream", "first")))
    np.testing.assert_allclose(row, expected, rtol=TOLERANCE[name], atol=TOLERANCE[name])


def test_no_part_of_the_address_is_ignored():
    base = {"seed": 7, "network": 1, "layer": 2, "stream": WEIGHTS, "first": 0}
    changes = [{}, {"seed": 8}, {"seed": 7 + (1 << 32)}, {"network": 2}, {"network": 1 + (1 << 32)}, {"layer": 3}]
    changes += [{"stream": BIASES}, {"first": 1}]
    rows = {rows_of("uniform", 64, 1, **(base | change))[0].tobytes() for change in changes}
    assert len(rows) == len(changes)


@pytest.mark.parametrize(
    ("n_out", "n_in"), [(1, 1), (1, 9), (9, 1), (7, 7), (12, 5), (5, 12), (33, 33), (64, 30), (30, 64)]
)
def test_orthogonal_matrix_is_the_oracles(n_out, n_in):
    rows, rest = rows_of("orthogonal", n_in, n_out, seed=3, network=4, layer=5)
    np.testing.assert_allclose(rows[:, :n_in], oracle.matrix("orthogonal", n_out, n_in, 3, 4, 5), atol=2e-5)
    assert np.isnan(rest).all()


@pytest.mark.parametrize(("n_out", "n_in"), [(40, 40), (64, 17), (17, 64)])
def test_orthogonal_matrix_has_orthonormal_rows_or_columns(n_out, n_in):
    w = rows_of("orthogonal", n_in, n_out)[0][:, :n_in].astype(float)
    gram = w.T @ w if n_out >= n_in else w @ w.T
    np.testing.assert_allclose(gram, max(n_out, n_in) * np.eye(len(gram)), atol=2e-4)
    assert not np.allclose(gram * 1.02**2, max(n_out, n_in) * np.eye(len(gram)), atol=2e-4)


def test_truncated_numbers_stay_inside_the_cut_and_uniform_ones_inside_their_bound():
    truncated, _ = rows_of("truncated_normal", 512, 4000)
    assert 2.27 < np.abs(truncated).max() <= np.float32(2.0 / 0.87962566103423978)
    uniform, _ = rows_of("uniform", 512, 4000)
    assert 1.7319 < np.abs(uniform).max() <= np.float32(np.sqrt(3.0))
