"""Weights for a collapsed network: matrices that do to its inputs and gradients just what was sampled.

The collapsed sampler knows a Gaussian W only as s Z Q_1^T along the inputs, and W^T D = s Q [Z^T D; Xi C] for the
gradients D = U C. With Q = (Q_1, Q_2) orthonormal, W = s (Z Q_1^T + (U Xi^T + (1 - U U^T) G) Q_2^T) with fresh normal G
satisfies both and is distributed as the scheme says (docs/theory.md, the theorem read backwards). Q and U are the
sampler's own reflections: made again in float64 they could fall otherwise where inputs nearly depend on each other.
With one input, of direction u, it knows W^T d = s (u (z . d) + |d| (1 - u u^T) g): there the same holds with 1 - u u^T
in the place of Q_2 Q_2^T.
What float32 has rounded is put right at the end, so that no layer hands its round-off on to the next.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from mcflow.model.case import Case
from mcflow.sampling import drawn
from mcflow.sampling.drawn import Record

Matrix = NDArray[np.float64]
Numbers = Callable[[str, tuple[int, int]], Matrix]

# Directions of the inputs with less than this share of their length stay as round-off has them: to put them right would
# take changes that are not small. Of orthogonal weights less can be changed before they are not orthogonal.
LEAST_SHARE, LEAST_SHARE_OF_ORTHOGONAL = 1e-3, 0.03
LEAST_SPAN = 1e-5
ROUND_OFF = 1e-3  # what differs by more was not rounded: it left float32


def complete(
    case: Case, inputs: Matrix, output_gradient: Matrix, seed: int, network: int
) -> tuple[list[Matrix], list[Matrix]]:
    """Weights (width_l, fan_in_l) and biases (width_l,) of collapsed network ``network``, float64."""
    program = case.program_for(inputs.shape[1])
    layers, activation = drawn.scales_of(case, inputs.shape[1]), case.nonlinearity
    records = drawn.records_of(case, inputs, seed, network)
    x, weights, biases = inputs.T, [], []
    with np.errstate(all="ignore"):  # far outside float64 the weights stay as the sampler knows them
        for i, (record, scale) in enumerate(zip(records, layers, strict=True)):
            n = program.widths[i]
            h = record.preactivations[:n]
            above = records[i + 1].back[:n] if i + 1 < len(records) else output_gradient.T
            numbers = partial(drawn.draw_numbers, seed, network, i)
            whole = not case.rule.distribution.is_independent
            d = activation.dphi(h) * above if i > 0 else np.zeros((n, 0))  # nothing goes back through the first layer
            known = _Known(x, h, d, record.back[: len(x)] if i > 0 else np.zeros((len(x), 0)))
            make = _orthogonal_weights if whole else _normal_weights if len(inputs) > 1 else _weights_of_one_input
            w, b = make(known, record, numbers, *scale)
            weights.append(w)
            biases.append(b)
            x = activation.phi(h)
    return weights, biases


@dataclass(frozen=True)
class _Known:
    """What a layer does: x (n_in, K) to h (n, K), d (n, K) back to ``back`` (n_in, K); the first layer has no d."""

    x: Matrix
    h: Matrix
    d: Matrix
    back: Matrix


def _weights_of_one_input(
    known: _Known, record: Record, numbers: Numbers, std: float, bias_std: float
) -> tuple[Matrix, Matrix]:
    n_in, n = len(known.x), len(known.h)
    rows = n_in + (1 if bias_std > 0.0 else 0)
    u = record.basis[0][:rows]
    u = u / np.maximum(_lengths(u), np.finfo(float).tiny)
    z = numbers("COLLAPSED_FORWARD", (1, n)).T
    of_biases = numbers("COLLAPSED_BACKWARD", (2, 1))[1:]
    g = np.concatenate([numbers("COLLAPSED_BACKWARD", (1, n_in)).T, of_biases])[:rows]
    d = _direction_of_gradient(known.d) if known.d.size else np.zeros((n, 0))
    fresh = numbers("COMPLETION", (n, rows))
    beside = d @ g.T[: d.shape[1]] + fresh - d @ (d.T @ fresh)
    w = std * (z @ u.T + beside - (beside @ u) @ u.T)
    return _put_right(w, known, bias_std / std)


def _normal_weights(
    known: _Known, record: Record, numbers: Numbers, std: float, bias_std: float
) -> tuple[Matrix, Matrix]:
    (n_in, batch), n = known.x.shape, len(known.h)
    rows = n_in + (1 if bias_std > 0.0 else 0)
    basis = _product(*record.basis, rows)
    r = min(rows, batch)
    z = numbers("COLLAPSED_FORWARD", (r, n)).T
    u = _product(*record.basis_of_gradients, n, min(known.d.shape))  # of none, for the first layer
    free = numbers("COLLAPSED_BACKWARD", (u.shape[1], rows - r)).T
    fresh = numbers("COMPLETION", (n, rows - r))
    beside = u @ free.T + fresh - u @ (u.T @ fresh)
    w = std * np.concatenate([z, beside], axis=1) @ basis.T
    return _put_right(w, known, bias_std / std)


def _put_right(w: Matrix, known: _Known, ratio: float) -> tuple[Matrix, Matrix]:
    """Weights and biases from a matrix that also meets the inputs' entry for the biases, ``ratio``, if it has one."""
    n_in, batch = known.x.shape
    met = np.concatenate([known.x, np.full((w.shape[1] - n_in, batch), ratio)])
    back = np.concatenate([known.back, (w.T @ known.d)[n_in:]])
    w = w + _correction(w, _Known(met, known.h, known.d, back), LEAST_SHARE)
    return w[:, :n_in], w[:, n_in] * ratio if w.shape[1] > n_in else np.zeros(len(w))


def _orthogonal_weights(
    known: _Known, record: Record, numbers: Numbers, std: float, bias_std: float
) -> tuple[Matrix, Matrix]:
    (n_in, batch), n = known.x.shape, len(known.h)
    rows = max(n_in, n)
    basis = _product(*record.basis, rows)
    r = min(rows, batch)
    frame = _frame(numbers("COLLAPSED_FORWARD", (r, rows)).T)
    u, free = np.zeros((rows, 0)), np.zeros((rows - r, 0))
    if known.d.any() and np.isfinite(known.d).all():
        d = np.concatenate([known.d, np.zeros((rows - n, batch))])
        for _ in range(2):
            d = d - frame @ (frame.T @ d)
        u = _product(*record.basis_of_gradients, rows, min(rows, batch))
        free = _frame(numbers("COLLAPSED_BACKWARD", (u.shape[1], rows - r)).T)
        u, free = _met(u, d, free)
    fresh = numbers("COMPLETION", (rows, rows - r))
    beside = u @ free.T + _isometry_between(fresh, frame, u, free)
    w = (std * math.sqrt(rows) * np.concatenate([frame, beside], axis=1) @ basis.T)[:n, :n_in]
    b = bias_std * numbers("BIASES", (1, n))[0]
    known = _Known(known.x, known.h - b[:, np.newaxis], known.d, known.back)
    return w + _correction(w, known, LEAST_SHARE_OF_ORTHOGONAL), b


def _product(vectors: Matrix, tau: Matrix, rows: int, columns: int | None = None) -> Matrix:
    """The first columns of H_1 ... H_r, the sampler's reflections; orthogonal to float64 accuracy."""
    q = np.eye(rows, columns)
    for j in range(min(rows, len(tau)) - 1, -1, -1):
        if tau[j] != 0.0:
            v = vectors[j:rows, j]
            q[j:] -= np.outer((2.0 / (v @ v)) * v, v @ q[j:])
    return q


def _direction_of_gradient(d: Matrix) -> Matrix:
    """d (n, 1) at length one; any such vector where it has no direction."""
    size = np.abs(d).max()
    return d / size / np.linalg.norm(d / size) if 0.0 < size < math.inf else np.eye(len(d), 1)


def _met(u: Matrix, d: Matrix, free: Matrix) -> tuple[Matrix, Matrix]:
    """What of U the gradients D = U C really span, all of it beside the frame as they are, and what belongs to that."""
    unit = d / np.maximum(_lengths(d), np.finfo(float).tiny)
    a, s, bt = np.linalg.svd(u.T @ unit)
    keep = s > LEAST_SPAN * s[0]
    return _frame(unit @ bt[: len(s)][keep].T / s[keep]), free @ a[:, : len(s)][:, keep]


def _correction(w: Matrix, known: _Known, least: float) -> Matrix:
    """A small change of W that makes W X = H and W^T D = V to float64 accuracy, where round-off alone is in the way."""
    miss, x = _misses(known.h - w @ known.x, known.h, known.x)
    u, s, vt = _span(x, least)
    change = (miss @ vt.T / s) @ u.T
    miss, d = _misses(known.back - (w + change).T @ known.d, known.back, known.d)
    miss -= u @ (u.T @ miss)  # W X stays as it is
    u, s, vt = _span(d, least)
    return np.asarray(change + u @ ((miss @ vt.T / s).T))


def _misses(miss: Matrix, wanted: Matrix, columns: Matrix) -> tuple[Matrix, Matrix]:
    """By how much is missed what is wanted of ``columns``, and these, at length one: those that round-off explains."""
    lengths = _lengths(columns)
    rounded = (lengths > 0.0) & np.isfinite(lengths) & (_lengths(miss) <= ROUND_OFF * _lengths(wanted))
    return miss[:, rounded] / lengths[rounded], columns[:, rounded] / lengths[rounded]


def _lengths(columns: Matrix) -> Matrix:
    """Euclidean lengths; of the smallest and largest float64 too, whose squares leave it."""
    largest = np.abs(columns).max(axis=0, initial=0.0)
    return np.asarray(largest * np.linalg.norm(columns / np.where(largest > 0.0, largest, 1.0), axis=0))


def _span(columns: Matrix, least: float) -> tuple[Matrix, Matrix, Matrix]:
    """The singular value decomposition without the values below ``least`` of the largest."""
    if columns.shape[1] == 0:
        return np.zeros((len(columns), 0)), np.zeros(0), np.zeros((0, 0))
    u, s, vt = np.linalg.svd(columns, full_matrices=False)
    keep = s > least * s[0]
    return u[:, keep], s[keep], vt[keep]


def _frame(columns: Matrix) -> Matrix:
    """Gram-Schmidt of Gaussian columns with positive diagonal: a uniformly distributed frame."""
    q, r = np.linalg.qr(columns)
    return np.asarray(q * np.where(np.diag(r) < 0.0, -1.0, 1.0))


def _isometry_between(fresh: Matrix, frame: Matrix, u: Matrix, free: Matrix) -> Matrix:
    """What an orthogonal matrix does beside what is known of it: the complement of ``free`` to that of (frame, u)."""
    rest_in = np.linalg.qr(np.concatenate([free, np.eye(len(free))], axis=1))[0][:, free.shape[1] : len(free)]
    taken = np.concatenate([frame, u], axis=1)
    beside = fresh[:, : rest_in.shape[1]]
    for _ in range(2):
        beside = beside - taken @ (taken.T @ beside)
    return np.asarray(_frame(beside) @ rest_in.T)
