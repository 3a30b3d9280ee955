"""Theory: what random networks do, from infinite width to the exact law at finite width, without sampling."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mcflow.theory.criticality import critical_gain, edge_of_chaos, fixed_points
    from mcflow.theory.expectations import expectation
    from mcflow.theory.infinite import propagate
    from mcflow.theory.prediction import predict

_HOME = {
    "critical_gain": "mcflow.theory.criticality",
    "edge_of_chaos": "mcflow.theory.criticality",
    "expectation": "mcflow.theory.expectations",
    "fixed_points": "mcflow.theory.criticality",
    "predict": "mcflow.theory.prediction",
    "propagate": "mcflow.theory.infinite",
}

__all__ = ["critical_gain", "edge_of_chaos", "expectation", "fixed_points", "predict", "propagate"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'mcflow.theory' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
