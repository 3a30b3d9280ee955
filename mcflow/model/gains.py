"""The critical gain of a stack of layers: that of all of them together, where their fans differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcflow.activations.registry import Activation
from mcflow.mean_field.critical import critical_gain


def critical_gain_of_layers(
    activation: Activation,
    fans: Sequence[tuple[int, int]],
    weight_variances: Sequence[float],
    bias_variances: Sequence[float],
    of: str = "forward",
) -> float:
    """The gain for ``gain="critical"`` (``of`` = ``forward``) and ``"critical-gradient"`` (``of`` = ``gradient``).

    ``fans`` are (fan_in, fan_out) of each layer, ``weight_variances`` the variances of one weight at gain 1. Where the
    widths differ, the factor fan_in Var W (forward) or fan_out Var W of layers 2.. (gradient) differs from layer to
    layer; its geometric mean is what the gain makes critical. Raises InputError where there is none.
    """
    fan_in, fan_out = np.array(fans, dtype=np.int64).T
    variance = np.array(weight_variances)
    factor = fan_in * variance
    if of == "gradient" and len(fans) > 1:
        factor = (fan_out * variance)[1:]
    return critical_gain(activation, of, float(np.exp(np.mean(np.log(factor)))), float(np.mean(bias_variances)))
