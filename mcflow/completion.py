"""Weights for a collapsed network: matrices that do to its inputs and gradients just what was sampled.

The collapsed sampler knows a Gaussian W only as s Z Q_1^T along the inputs, and W^T D = s Q [Z^T D; Xi C] for the
gradients D = U C. With Q = (Q_1, Q_2) orthonormal, W = s (Z Q_1^T + (U Xi^T + (1 - U U^T) G) Q_2^T) with fresh normal G
satisfies both and is distributed as the scheme says (docs/theory.md, the theorem read backwards).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mcflow import devices
from mcflow.study import Case

Matrix = NDArray[np.float64]


def complete(
    case: Case, inputs: Matrix, output_gradient: Matrix, seed: int, network: int
) -> tuple[list[Matrix], list[Matrix]]:
    """Weights (width_l, fan_in_l) and biases (width_l,) of collapsed network ``network``, float64."""
    layers, activation = case.layers(inputs.shape[1]), case.nonlinearity
    numbers = lambda layer, stream, shape: devices.draw_numbers(seed, network, layer, stream, shape)  # noqa: E731
    x, forward, slopes = inputs, [], []
    for layer, (n_in, n) in enumerate(zip(layers.fan_in.tolist(), layers.width.tolist(), strict=True)):
        step = _Layer(case, layer, n_in, n, float(np.float32(layers.weight_std[layer])), x.T)
        step.go_forward(numbers)
        h = step.preactivations.T
        x = activation.phi(h) + 0.0  # -0.0 would turn the sign of a reflection
        forward.append(step)
        slopes.append(activation.dphi(h))
    d = output_gradient * slopes[-1]
    for layer in range(len(forward) - 1, -1, -1):
        back = forward[layer].go_backward(d.T, numbers)
        d = back.T * slopes[layer - 1] if layer else back.T
    return [step.weights for step in forward], [step.biases for step in forward]


class _Layer:
    """One layer: factors its inputs (columns), samples along them, and completes its weights on the way back."""

    def __init__(self, case: Case, layer: int, n_in: int, n: int, std: float, x: Matrix) -> None:
        self.layer, self.n_in, self.n, self.batch = layer, n_in, n, x.shape[1]
        self.whole = case.rule.distribution == "orthogonal"
        bias_std = float(np.float32(math.sqrt(case.bias_variance(n_in))))
        self.bias_std = bias_std
        if self.whole:
            self.rows = max(n_in, n)
            self.scale = std * math.sqrt(self.rows)
            below = np.zeros((self.rows - n_in, self.batch))
        else:
            self.rows = n_in + (1 if bias_std > 0.0 else 0)
            self.scale = std
            below = np.full((self.rows - n_in, self.batch), bias_std / std)
        self.basis, self.triangle = np.linalg.qr(np.concatenate([x, below]), mode="complete")
        self.r = min(self.rows, self.batch)

    def go_forward(self, numbers) -> None:  # type: ignore[no-untyped-def]
        length = self.rows if self.whole else self.n
        z = numbers(self.layer, "COLLAPSED_FORWARD", (self.r, length)).T
        self.frame = _frame(z) if self.whole else z
        self.preactivations = self.scale * (self.frame @ self.triangle[: self.r])[: self.n]
        self.biases = np.zeros(self.n)
        if self.whole and self.bias_std > 0.0:
            self.biases = self.bias_std * numbers(self.layer, "BIASES", (1, self.n))[0]
            self.preactivations = self.preactivations + self.biases[:, np.newaxis]

    def go_backward(self, d: Matrix, numbers) -> Matrix:  # type: ignore[no-untyped-def]
        """The gradient of the inputs (n_in, batch); leaves ``weights`` and ``biases``."""
        if self.whole:
            d = np.concatenate([d, np.zeros((self.rows - self.n, self.batch))])
        beside = d - self.frame @ (self.frame.T @ d) if self.whole else d
        u, c = np.linalg.qr(beside + 0.0)
        if self.batch == 1 and not self.whole:  # the kernel takes the norm itself, without a reflection's sign
            u, c = (-u, -c) if c[0, 0] < 0.0 else (u, c)
        left = self.rows - self.r
        free = numbers(self.layer, "COLLAPSED_BACKWARD", (len(c), left)).T if left else np.zeros((0, len(c)))
        fresh = numbers(self.layer, "COMPLETION", (len(d), left)) if left else np.zeros((len(d), 0))
        if self.whole:
            free = _frame(free)
            beside_weights = u @ free.T + _isometry_between(fresh, self.frame, u, free)
        else:
            beside_weights = u @ free.T + fresh - u @ (u.T @ fresh)
        known = np.concatenate([self.frame, beside_weights], axis=1)
        whole = self.scale * known @ self.basis.T
        self.weights = whole[: self.n, : self.n_in]
        if not self.whole and self.rows > self.n_in:
            self.biases = whole[:, self.n_in] * (self.bias_std / self.scale)
        return np.asarray(self.weights.T @ d[: self.n])


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
