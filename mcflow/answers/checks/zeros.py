"""Networks in which a second moment is exactly 0, against how many there can be."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from mcflow.answers.checks.recorded import Recorded
from mcflow.answers.verdict_rows import Row
from mcflow.statistics import hypotheses
from mcflow.theory.finite_width.dead_networks import zero_probabilities
from mcflow.theory.infinite_width import trajectory

UNSEEN = 1e-3  # expected networks, under which none at all says nothing


def rows(recorded: Recorded) -> Iterable[Row]:
    """A row for each layer and second moment in which a network can be, or is, dead."""
    stack = recorded.stack
    for quantity, zero in zero_probabilities(stack, trajectory.trajectory(stack)).items():
        expected = recorded.prediction.of.get(quantity)
        if expected is None or f"{quantity}_zero_fraction" not in recorded.dataset:
            continue
        share = np.asarray(recorded.dataset[f"{quantity}_zero_fraction"].values, dtype=np.float64)
        count = np.asarray(recorded.dataset[f"{quantity}_count"].values, dtype=np.float64)
        for layer in range(stack.depth):
            low, high = float(zero.low[layer]), float(zero.high[layer])
            if share[layer] == 0 and high * count[layer] < UNSEEN:
                continue  # nobody dies, and nobody did
            if not count[layer] > 0 or not expected.mean[layer] > 0:
                continue
            error = math.sqrt(high * (1.0 - high) / count[layer])
            numbers = (float(share[layer]), error, high, 0.0, float(count[layer]))
            p = hypotheses.binomial_between(round(share[layer] * count[layer]), int(count[layer]), low, high)
            yield recorded.verdict(layer, quantity, "zero_fraction", numbers, p)
