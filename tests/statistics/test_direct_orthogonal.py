"""Orthogonal weights are Haar distributed: traces of powers, single entries, and what forgets the signs is caught."""

import math

import numpy as np
from rows import rows_of
from scipy import stats

N, MATRICES = 8, 20_000
LARGEST_Z = 5.0


def haar_z(q):
    """z of the first two moments of tr Q and tr Q^2, which are 0, 1 and 1, 3 on O(n) (Diaconis & Shahshahani 1994)."""
    first = np.trace(q, axis1=1, axis2=2)
    second = np.einsum("kij,kji->k", q, q)
    out = []
    for values, mean in ((first, 0.0), (first**2, 1.0), (second, 1.0), (second**2, 3.0)):
        out.append((values.mean() - mean) / (values.std(ddof=1) / math.sqrt(len(values))))
    return np.abs(out)


def test_orthogonal_weights_are_haar_distributed():
    q = np.array([rows_of("orthogonal", N, N, seed=41, network=i)[0] for i in range(MATRICES)]).astype(float)
    q /= math.sqrt(N)
    np.testing.assert_allclose(np.einsum("kij,klj->kil", q, q), np.broadcast_to(np.eye(N), q.shape), atol=2e-5)
    assert haar_z(q).max() <= LARGEST_Z
    assert haar_z(1.02 * q).max() > LARGEST_Z
    # an entry squared is Beta(1/2, (n - 1)/2) distributed, wherever it stands
    for i, j in ((0, 0), (0, N - 1), (N - 1, 0), (N - 1, N - 1), (3, 4)):
        assert stats.kstest(q[:, i, j] ** 2, stats.beta(0.5, (N - 1) / 2).cdf).pvalue > 1e-6
        assert abs(q[:, i, j].mean()) * math.sqrt(N * MATRICES) <= LARGEST_Z
    # QR without the signs of R is not Haar's: the check must say so
    g = np.array([rows_of("normal", N, N, seed=41, network=i)[0] for i in range(MATRICES)]).astype(float)
    assert haar_z(np.linalg.qr(g)[0]).max() > LARGEST_Z


def test_oblong_orthogonal_weights_have_uniform_directions():
    for n_out, n_in in ((3, 8), (8, 3)):
        w = np.array([rows_of("orthogonal", n_in, n_out, seed=42, network=i)[0][:, :n_in] for i in range(5000)]).astype(
            float
        )
        square = w**2  # variance 1 each, and E w^4 = 3 n / (n + 2) with n the longer side
        fourth = (square**2).mean(axis=0)
        expected = 3.0 * 8 / (8 + 2)
        error = (square**2).std(axis=0) / math.sqrt(len(w))
        assert np.abs((square.mean(axis=0) - 1.0) / (square.std(axis=0) / math.sqrt(len(w)))).max() <= LARGEST_Z
        assert np.abs((fourth - expected) / error).max() <= LARGEST_Z
