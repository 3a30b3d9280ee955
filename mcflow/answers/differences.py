"""What becomes of the difference between two inputs, where a part of every layer is the same for all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mcflow.errors import InputError
from mcflow.mean_field.refinement import NotPredicted
from mcflow.statistics import magnitudes

if TYPE_CHECKING:
    from mcflow.plan import Job

Floats = NDArray[np.float64]
FINEST = 1e-7  # of 1 - cosine: what float32 can tell from no difference


def have_a_common_part(job: Job) -> bool:
    """Whether activations keep a size that says nothing of the input: biases, or phi(0) != 0."""
    at_zero = float(job.case.nonlinearity.phi(np.zeros(1))[0])
    return at_zero != 0.0 or bool((job.program.bias_variance > 0.0).any())


def measured(summary: Mapping[str, Floats]) -> tuple[float, float] | None:
    """Decimal logarithms of E h^2 (1 - cosine) in the first and the last layer, -inf where float32 sees none there.

    None where cosines were not recorded, or no network has one in the first layer or the last.
    """
    if "preactivation_correlation_mean" not in summary:
        return None
    cosines = summary["preactivation_correlation_mean"]
    logs = magnitudes.log10_of(summary, "preactivation_second_moment_mean")
    first, last = (1.0 - float(cosines[layer]) for layer in (0, -1))
    if math.isnan(first) or math.isnan(last):
        return None
    end = float(logs[-1]) + math.log10(last) if last > FINEST else -math.inf
    return float(logs[0]) + math.log10(max(first, FINEST)), end


def predicted(job: Job) -> tuple[float, float] | None:
    """The same of two near inputs at infinite width: products of fan_in Var W E phi'(h)^2 (Schoenholz et al. 2017).

    Beginning from 0 in the first layer; None where theory says nothing.
    """
    from mcflow.mean_field.moments import moments

    if "preactivation_second_moment" not in job.predicted:
        return None
    total = 0.0
    variances = zip(job.program.fan_in[1:], job.program.weight_variance[1:], strict=True)
    try:
        for q, (fan_in, variance) in zip(job.predicted["preactivation_second_moment"], variances, strict=False):
            slope = float(moments(job.case.nonlinearity, float(q)).slope[0])
            total += math.log10(fan_in * variance * slope) if slope > 0 else -math.inf
    except (InputError, NotPredicted, ArithmeticError):  # q beyond what phi is averaged at
        return None
    return 0.0, total
