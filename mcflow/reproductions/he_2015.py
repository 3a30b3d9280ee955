"""He et al. 2015: 22- and 30-layer ReLU networks under Xavier and Kaiming weights.

He, Zhang, Ren & Sun, Delving deep into rectifiers, ICCV 2015, section 2.2. Half of a ReLU layer's variance is lost, so
that Xavier weights multiply the variance by 1/2 a layer, 2^-21 and 2^-29 from end to end: the 30-layer network stalls.
Kaiming weights, 2 / fan_in, keep it (their eq. 10 and 14).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mcflow.answers.subject import Subject
from mcflow.model.case import Case
from mcflow.model.study import Study
from mcflow.plots import flow
from mcflow.reproductions.claims import Claim

if TYPE_CHECKING:
    from mcflow.files.result import Result
    from mcflow.plots.style import Figure

DEPTHS = (22, 30)
SCHEMES = ("xavier_normal", "kaiming_normal")


def study() -> Study:
    cases = tuple(Case(scheme, "relu", depth=depth, width=256) for depth in DEPTHS for scheme in SCHEMES)
    return Study(cases, networks=2000)


def judge(result: Result) -> list[Claim]:
    claims = []
    for depth in DEPTHS:
        for scheme, per_layer in (("xavier_normal", -1.0), ("kaiming_normal", 0.0)):
            dataset = result[f"{scheme}-relu-depth{depth}"]
            mean = dataset["gradient_second_moment_mean"].values
            error = dataset["gradient_second_moment_standard_error"].values / mean
            claims.append(
                Claim(
                    f"{scheme}, {depth} layers: log2 of the gradients' variance in layer 1 over that in layer {depth}",
                    "eq. 14",
                    per_layer * (depth - 1),
                    float(np.log2(mean[0] / mean[-1])),
                    float(np.hypot(error[0], error[-1]) / np.log(2)),
                    0.2,
                )
            )
    return claims


def figure(result: Result) -> Figure:
    return flow.figure(Subject(result), result.names)
