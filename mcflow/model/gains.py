"""The critical gain of a case: that of its layers together, where their fans differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mcflow.mean_field.critical import critical_gain

if TYPE_CHECKING:
    from mcflow.model.case import Case


def gain_of_case(case: Case, of: str = "forward") -> float:
    """The critical gain of a case, for ``gain="critical"`` and ``"critical-gradient"``.

    Where the widths differ, the factor fan_in Var W (forward) or fan_out Var W of layers 2.. (gradient) differs from
    layer to layer; its geometric mean is what the gain makes critical. Raises InputError where there is none.
    """
    widths = np.asarray(case.widths, dtype=np.int64)
    fan_in = np.concatenate([[case.features or widths[0]], widths[:-1]])
    fans = zip(fan_in.tolist(), widths.tolist(), strict=True)
    variance = np.array([case.rule.weight_variance(i, o, 1.0, case.mode) for i, o in fans])
    factor = fan_in * variance
    if of == "gradient" and len(widths) > 1:
        factor = (widths * variance)[1:]
    bias = float(np.mean([case.bias_variance(int(i)) for i in fan_in]))
    return critical_gain(case.nonlinearity, of, float(np.exp(np.mean(np.log(factor)))), bias)
