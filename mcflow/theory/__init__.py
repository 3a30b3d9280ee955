"""Theory: what random networks do, from infinite width to the exact law at finite width, without sampling."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mcflow.mean_field.critical import critical_gain, edge_of_chaos, fixed_points
    from mcflow.mean_field.expectation import expectation
    from mcflow.theory.infinite_width.trajectory import propagate
    from mcflow.theory.prediction import predict

_HOME = {
    "critical_gain": "mcflow.mean_field.critical",
    "edge_of_chaos": "mcflow.mean_field.critical",
    "expectation": "mcflow.mean_field.expectation",
    "fixed_points": "mcflow.mean_field.critical",
    "predict": "mcflow.theory.prediction",
    "propagate": "mcflow.theory.infinite_width.trajectory",
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
