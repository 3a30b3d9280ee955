"""The cosine between the gradients of two inputs: 0 on average, exactly, in every network that has one.

The backward pass of input a starts from its own v_a ~ N(0, 1), and d_a is linear in v_a. So v_a -> -v_a, which is as
likely, turns the sign of cos(d_a, d_b) and of nothing else: its mean is 0 at every width and depth, for all weights,
activations and inputs, equal ones too. docs/theory.md has its spread.
"""

from __future__ import annotations

import numpy as np

from mcflow.theory.estimate import Estimate
from mcflow.theory.stack import Stack


def estimates(stack: Stack, tier: str = "exact") -> dict[str, Estimate]:
    """The mean cosine of gradients over pairs of inputs; empty for one input."""
    if len(stack.input_moment) < 2:
        return {}
    return {"gradient_correlation": Estimate(tier, np.zeros(stack.depth))}
