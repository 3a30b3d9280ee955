"""The spread of the gradient where it starts: d_L = phi'(h_L) v, for any number of inputs."""

from __future__ import annotations

import numpy as np

from mcflow.theory.finite_width import first_order
from mcflow.theory.infinite_width.trajectory import Trajectory
from mcflow.theory.stack import Stack


def variance_bounds(stack: Stack, path: Trajectory) -> tuple[float, float] | None:
    """Lowest and highest variance over networks of the mean of d_L^2 over units and inputs; None where not trusted.

    Each input has its own v ~ N(0, 1): Var = sum over inputs of (3 E phi'^4 - (E phi'^2)^2) / n, which is known, and
    of the covariances of mean phi'^2 between inputs, each at most one input's own variance of it. To leading order.
    """
    own, shared = [], []
    n = stack.width[-1]
    for row in range(len(path.share)):
        expansion = first_order.expand(stack, path, row)
        if expansion is None or not expansion.trusted[-1]:
            return None
        m = expansion.averages[-1]
        square = float(m.slope[0]) ** 2
        response = 0.25 * float(m.slope[1]) ** 2 * float(expansion.spread[-1])
        shared.append((m.slope_fourth - square) / n + response)
        own.append(2.0 * m.slope_fourth / n + shared[-1])
    count = float(len(stack.input_moment))
    each, common = (float(path.share @ np.array(values)) for values in (own, shared))
    reach = (1.0 - 1.0 / count) * common
    return each / count - min(reach, common / count), each / count + reach
