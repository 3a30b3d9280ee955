"""The slow, obvious NumPy truth of what the kernels compute: random words, distributions, both passes, statistics.

Written from the definitions (docs/, the papers), not from the kernels; every executor must match it.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special

WEIGHTS, BIASES, OUTPUT_GRADIENT, COLLAPSED_FORWARD, COLLAPSED_BACKWARD = range(5)


def philox(counter, key):
    """Philox4x32-10 of an (..., 4) counter and a (2,) key: (..., 4) uint32 (Salmon et al. 2011)."""
    c = [np.asarray(counter)[..., i].astype(object) for i in range(4)]
    k0, k1 = int(key[0]), int(key[1])
    for _ in range(10):
        p0, p1 = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
        c = [(p1 >> 32) ^ c[1] ^ k0, p1 & 0xFFFFFFFF, (p0 >> 32) ^ c[3] ^ k1, p0 & 0xFFFFFFFF]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack([x.astype(np.uint64) for x in c], axis=-1).astype(np.uint32)


def words(seed, network, layer, stream, row, groups):
    """(4, groups) random words of a row: word j of column group g stands at [j, g]."""
    counter = np.zeros((groups, 4), dtype=np.uint64)
    counter[:, 0] = np.arange(groups)
    counter[:, 1] = row
    counter[:, 2] = layer | (stream << 16) | ((network >> 32) << 24)
    counter[:, 3] = network & 0xFFFFFFFF
    return philox(counter, (seed & 0xFFFFFFFF, seed >> 32)).T


def normals(w):
    """Box-Muller of (4, groups) words: (4 groups,) float64."""
    out = np.empty(w.shape)
    for j in (0, 2):
        radius = np.sqrt(-2.0 * np.log((w[j] | 1).astype(np.float64) / 2.0**32))
        quarter = np.int32(w[j + 1].view(np.int32) << 1) / 2.0**31 * (math.pi / 2)
        mirrored = np.where(w[j + 1] >> 31 == 1, -1.0, 1.0)
        out[j], out[j + 1] = radius * np.cos(quarter) * mirrored, radius * np.sin(quarter)
    return out.ravel()


def uniforms(w):
    return (w.view(np.int32) * (math.sqrt(3.0) / 2.0**31)).ravel()


def truncated_normals(w):
    probability = 0.5 + 0.5 * special.erf(math.sqrt(2.0)) * (w.view(np.int32) / 2.0**31)
    return (special.ndtri(probability) / 0.87962566103423978).ravel()


def signs(w):
    bits = (w.ravel()[None, :] >> (31 - np.arange(32, dtype=np.uint32))[:, None]) & 1
    return np.where(bits == 1, -1.0, 1.0).ravel()


DISTRIBUTIONS = {"normal": normals, "uniform": uniforms, "truncated_normal": truncated_normals}


def row(distribution, n, seed, network, layer, stream, r):
    """n unit-variance numbers of one row."""
    if distribution == "rademacher":
        return signs(words(seed, network, layer, stream, r, -(-n // 128)))[:n]
    return DISTRIBUTIONS[distribution](words(seed, network, layer, stream, r, -(-n // 4)))[:n]


def matrix(distribution, n_out, n_in, seed, network, layer):
    """(n_out, n_in) unit-variance weights."""
    law = "normal" if distribution == "orthogonal" else distribution
    w = np.stack([row(law, n_in, seed, network, layer, WEIGHTS, r) for r in range(n_out)])
    if distribution != "orthogonal":
        return w
    q, r = np.linalg.qr(w if n_out >= n_in else w.T)
    q = q * np.sign(np.diag(r)) * math.sqrt(max(n_in, n_out))
    return q if n_out >= n_in else q.T


def propagate(weights, biases, inputs, output_gradient, phi, dphi, dphi_max, group=None, flat=()):
    """Every recorded quantity of one network, a dict of (layer,) float64, by plain matrix products.

    ``flat`` are the closed intervals on which the derivative is zero: what underflows elsewhere is not.
    """
    xs, hs = [np.asarray(inputs, float)], []
    for w, b in zip(weights, biases, strict=True):
        hs.append(xs[-1] @ w.T + b)
        xs.append(phi(hs[-1]))
    deltas = [np.asarray(output_gradient, float) * dphi(hs[-1])]
    for layer in reversed(range(len(weights) - 1)):
        deltas.insert(0, (deltas[0] @ weights[layer + 1]) * dphi(hs[layer]))
    return recorded(xs, hs, deltas, dphi, dphi_max, group, flat)


def collapse_one_input(stds, bias_stds, inputs, address, phi, dphi, dphi_max, flat=()):
    """The same of a network of one input (1, n_0) through normal weights that are never formed.

    ``stds`` and ``bias_stds`` by layer, ``address`` is (seed, network, widths).
    """
    seed, network, widths = address

    def numbers(n, layer, stream, r=0):
        return row("normal", n, seed, network, layer, stream, r)

    x, xs, hs, zs, directions = np.asarray(inputs, float)[0], [], [], [], []
    for layer, (n, std, bias_std) in enumerate(zip(widths, stds, bias_stds, strict=True)):
        met = np.append(x, bias_std / std)
        largest = np.abs(met).max() or 1.0  # so that squares do not leave float64
        norm = np.linalg.norm(met / largest)
        xs.append(x[np.newaxis])
        directions.append(met / largest / (norm or 1.0))
        zs.append(numbers(n, layer, COLLAPSED_FORWARD))
        hs.append((std * norm * largest * zs[-1])[np.newaxis])
        x = phi(hs[-1])[0]
    xs.append(x[np.newaxis])
    depth = len(widths)
    deltas = [numbers(widths[-1], depth - 1, OUTPUT_GRADIENT) * dphi(hs[-1])]
    for layer in reversed(range(1, depth)):
        n_in, u, delta = widths[layer - 1], directions[layer], deltas[0][0]
        size = np.abs(delta).max() or 1.0
        fresh = np.append(numbers(n_in, layer, COLLAPSED_BACKWARD), numbers(1, layer, COLLAPSED_BACKWARD, 1))
        y = np.linalg.norm(delta / size) * (fresh - u * (u @ fresh)) + u * (zs[layer] @ (delta / size))
        deltas.insert(0, stds[layer] * size * y[:n_in] * dphi(hs[layer - 1]))
    return recorded(xs, hs, deltas, dphi, dphi_max, None, flat)


def recorded(xs, hs, deltas, dphi, dphi_max, group=None, flat=()):
    """Every recorded quantity of a network, of lists by layer of (input, unit): x of the inputs first."""
    rows = []
    for x_in, h, x, delta in zip(xs[:-1], hs, xs[1:], deltas, strict=True):
        d = dphi(h)
        zero = np.any([(h >= low) & (h <= high) for low, high in flat or [(np.inf, -np.inf)]], axis=0)
        rows.append(
            {
                "preactivation_mean": h.mean(),
                "preactivation_second_moment": (h**2).mean(),
                "preactivation_fourth_moment": (h**4).mean(),
                "activation_mean": x.mean(),
                "activation_second_moment": (x**2).mean(),
                "activation_absolute_mean": np.abs(x).mean(),
                "participation_ratio": participation_ratio(x),
                "active_fraction": (~zero).mean(),
                "saturated_fraction": (np.abs(d) < 0.01 * dphi_max if math.isfinite(dphi_max) else zero).mean(),
                "preactivation_correlation": mean_cosine(h, group),
                "gradient_second_moment": (delta**2).mean(),
                "weight_gradient_second_moment": (np.einsum("ki,kj->kij", delta, x_in) ** 2).mean(),
                "gradient_correlation": mean_cosine(delta, group),
            }
        )
    return {name: np.array([r[name] for r in rows]) for name in rows[0]}


def participation_ratio(x):
    """The share of numbers that carries their squares: 1 where all are of one size, 1 / size where one is not 0."""
    unit = x / np.abs(x).max()  # so that powers do not leave float64
    return (unit**2).mean() ** 2 / (unit**4).mean()


def mean_cosine(h, group=None):
    """Mean cosine over all pairs of inputs within consecutive groups; NaN for a single input."""
    k = len(h)
    if k < 2:
        return math.nan
    group = group or k
    unit = h / np.abs(h).max(axis=1, keepdims=True)  # so that squares do not leave float64
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    pairs = [
        unit[a] @ unit[b]
        for s in range(0, k - group + 1, group)
        for a in range(s, s + group)
        for b in range(a + 1, s + group)
    ]
    return float(np.mean(pairs))
