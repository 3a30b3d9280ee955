"""Networks whose every weight is formed, in plain NumPy float64: the truth that theory is held against."""

import numpy as np
from scipy.special import ndtr, ndtri

TRUNCATED_STD = 0.87962566103423978  # of a standard normal cut at +-2


def rows_of(case, inputs, networks, seed, chunk=2000):
    """name -> (network, layer) averages over units and inputs, of ``networks`` networks of a case."""
    rng = np.random.default_rng(seed)
    parts = [_chunk(case, np.asarray(inputs), min(chunk, networks - k), rng) for k in range(0, networks, chunk)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def scores(measured, expected):
    """(layer,) z of the mean over networks; 0 where both agree to double precision."""
    error = measured.std(axis=0, ddof=1) / np.sqrt(len(measured))
    difference = measured.mean(axis=0) - expected
    same = np.abs(difference) < 1e-12 * np.maximum(np.abs(expected), 1e-300)
    return np.where(same, 0.0, difference / np.maximum(error, 1e-300))


def _weights(rng, distribution, count, n, m):
    """(count, n, m) weights of variance 1; orthogonal: 1 / max(n, m) times its largest side."""
    shape = count, n, m
    if distribution == "normal":
        return rng.standard_normal(shape)
    if distribution == "uniform":
        return np.sqrt(3.0) * rng.uniform(-1.0, 1.0, shape)
    if distribution == "rademacher":
        return 2.0 * rng.integers(0, 2, shape) - 1.0
    if distribution == "truncated_normal":
        return ndtri(ndtr(-2.0) + (ndtr(2.0) - ndtr(-2.0)) * rng.uniform(size=shape)) / TRUNCATED_STD
    side = max(n, m)
    q, r = np.linalg.qr(rng.standard_normal((count, side, side)))
    q *= np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None, :]
    return np.sqrt(side) * q[:, :n, :m]


def _chunk(case, inputs, count, rng):
    phi, dphi = case.nonlinearity.phi, case.nonlinearity.dphi
    program = case.program_for(inputs.shape[1])
    std = program.weight_std
    x = [np.broadcast_to(inputs.T, (count, *inputs.T.shape))]
    weights, h = [], []
    for n, s, bias_std in zip(case.widths, std, program.bias_std, strict=True):
        m = x[-1].shape[1]
        noise = (
            np.sqrt(3.0) * rng.uniform(-1, 1, (count, n))
            if program.biases_are_uniform
            else rng.standard_normal((count, n))
        )
        weights.append(s * _weights(rng, case.rule.distribution.name, count, n, m))
        h.append(weights[-1] @ x[-1] + bias_std * noise[:, :, None])
        x.append(phi(h[-1]))
    d = [dphi(h[-1]) * rng.standard_normal(h[-1].shape)]
    for w, below in zip(weights[:0:-1], h[-2::-1], strict=True):
        d.insert(0, dphi(below) * (w.transpose(0, 2, 1) @ d[0]))
    slopes = [np.abs(dphi(each)) for each in h]
    limit = case.nonlinearity.dphi_max
    out = {
        "preactivation_second_moment": [each**2 for each in h],
        "preactivation_fourth_moment": [each**4 for each in h],
        "activation_mean": x[1:],
        "activation_second_moment": [each**2 for each in x[1:]],
        "active_fraction": [slope != 0 for slope in slopes],
        "saturated_fraction": [slope < 0.01 * limit for slope in slopes],
        "gradient_second_moment": [each**2 for each in d],
    }
    rows = {name: np.stack([each.mean(axis=(1, 2)) for each in values], axis=1) for name, values in out.items()}
    pairs = zip(d, x[:-1], strict=True)
    product = [((a**2).mean(axis=1) * (b**2).mean(axis=1)).mean(axis=1) for a, b in pairs]
    rows["weight_gradient_second_moment"] = np.stack(product, axis=1)
    if inputs.shape[0] > 1:
        first, second = np.triu_indices(inputs.shape[0], 1)
        unit = [each / np.sqrt((each**2).sum(axis=1, keepdims=True)) for each in h]
        cosine = [(each[:, :, first] * each[:, :, second]).sum(axis=1).mean(axis=1) for each in unit]
        rows["preactivation_correlation"] = np.stack(cosine, axis=1)
    return rows
