"""The pairs of a batch of inputs: each by itself, or, of very many, counted by their norms and their angle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mcflow.mean_field.quadrature import Array

Index = NDArray[np.int64]

EVERY_PAIR = 64  # inputs that come in pairs: of more, only those pairs are kept
LISTED = 1 << 14  # pairs; more are counted in bins
COUNTED = 1 << 29  # pairs, half a minute of counting; of more than 32 000 inputs nothing is predicted of pairs
BINS = 4096  # of the angle: what is smooth in it errs by (pi / BINS)^2 / 24 = 2e-8 of its second derivative
NORMS = 12  # different norms whose pairs are counted; with more nothing is predicted of them
COLLINEAR = 4e-12  # of 1 - |cosine|: such pairs have bins of their own
_BLOCK = 1 << 20  # cosines that are held at once, 60 MB with what is made of them


@dataclass(frozen=True)
class InputPairs:
    """Pairs of inputs, (pair,) each: ``cosine``, ``index`` (pair, 2) of the two, how many pairs it stands for.

    ``followed`` tells whether the correlation of a pair is measured, ``complete`` whether all pairs are there.
    """

    cosine: Array
    index: Index
    count: Array
    followed: NDArray[np.bool_]
    complete: bool

    def __len__(self) -> int:
        return len(self.cosine)


def of_correlated(batch: int, correlation: float | None) -> InputPairs:
    """Of ``batch`` inputs that are not known: orthogonal ones, but for the pairs that have that cosine."""
    index, followed = _listed(batch, correlation is not None)
    cosine = np.where(followed, correlation or 0.0, 0.0)
    return InputPairs(cosine, index, np.ones(len(index)), followed, _complete(index, batch))


def of_inputs(inputs: Array, correlated: bool) -> InputPairs:
    """Of (batch, features) inputs; where ``correlated``, only inputs 0 and 1, 2 and 3, ... are followed."""
    length = np.sqrt(np.sum(inputs**2, axis=1, keepdims=True))
    unit = inputs / np.where(length > 0, length, 1.0)
    batch = len(inputs)
    if batch * (batch - 1) // 2 > LISTED and not correlated:
        return _counted(unit, length[:, 0])
    index, followed = _listed(batch, correlated)
    if len(index) > 1 + 2 * batch:
        cosine = (unit @ unit.T)[index[:, 0], index[:, 1]]
    else:
        cosine = np.sum(unit[index[:, 0]] * unit[index[:, 1]], axis=1)
    return InputPairs(np.clip(cosine, -1.0, 1.0), index, np.ones(len(index)), followed, _complete(index, batch))


def _complete(index: Index, batch: int) -> bool:
    return len(index) == batch * (batch - 1) // 2


def _listed(batch: int, correlated: bool) -> tuple[Index, NDArray[np.bool_]]:
    """Every pair of inputs, and whether its cosine is measured: only of inputs 0 and 1, 2 and 3, ... if correlated."""
    if correlated and batch > EVERY_PAIR:
        first = np.arange(0, batch - 1, 2)
        return np.stack([first, first + 1], axis=1), np.ones(len(first), dtype=bool)
    index = np.stack(np.triu_indices(batch, 1), axis=1)
    followed = (index[:, 0] % 2 == 0) & (index[:, 1] == index[:, 0] + 1)
    return index, followed if correlated else np.ones(len(index), dtype=bool)


def _counted(unit: Array, length: Array) -> InputPairs:
    """Every pair, by the norms of its inputs and a bin of its angle; a bin stands at the mean of its cosines."""
    batch = len(unit)
    norms, first, kind = np.unique(np.round(length, 12), return_index=True, return_inverse=True)
    if len(norms) > NORMS or batch * (batch - 1) // 2 > COUNTED:
        return InputPairs(np.empty(0), np.empty((0, 2), np.int64), np.empty(0), np.empty(0, dtype=bool), False)
    size = len(norms) ** 2 * (BINS + 2)
    count, total = np.zeros(size), np.zeros(size)
    step = max(1, _BLOCK // batch)
    for start in range(0, batch, step):
        rows = np.arange(start, min(start + step, batch))
        above = np.arange(batch) > rows[:, np.newaxis]
        cosine = np.clip(unit[rows] @ unit.T, -1.0, 1.0)[above]
        low, high = np.minimum(kind[rows, np.newaxis], kind)[above], np.maximum(kind[rows, np.newaxis], kind)[above]
        angle = np.minimum((np.arccos(cosine) * (BINS / np.pi)).astype(np.int64), BINS - 1)
        angle = np.where(1.0 - np.abs(cosine) > COLLINEAR, angle, np.where(cosine > 0, BINS, BINS + 1))
        place = (low * len(norms) + high) * (BINS + 2) + angle
        count += np.bincount(place, minlength=size)
        total += np.bincount(place, cosine, minlength=size)
    there = np.flatnonzero(count)
    group = there // (BINS + 2)
    index = np.stack([first[group // len(norms)], first[group % len(norms)]], axis=1)
    return InputPairs(total[there] / count[there], index, count[there], np.ones(len(there), dtype=bool), True)
